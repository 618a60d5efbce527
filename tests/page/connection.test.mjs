/** One socket that opens again when it breaks, acknowledges, and notices silence. Time is mocked. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Connection, backoff } from "chat/connection.js";

class FakeSocket {
  static OPEN = 1;
  static all = [];

  constructor(url) {
    this.url = url;
    this.readyState = 0;
    this.sent = [];
    FakeSocket.all.push(this);
  }
  accept() {
    this.readyState = 1;
    this.onopen();
  }
  receive = (frame) => this.onmessage({ data: JSON.stringify(frame) });
  send = (text) => this.sent.push(JSON.parse(text));
  close() {
    this.readyState = 3;
  }
  breaks(code) {
    this.readyState = 3;
    this.onclose({ code });
  }
}

globalThis.WebSocket = FakeSocket;
globalThis.location = new URL("http://chat.test/");

let page;
let links;
let frames;
let connection;

beforeEach((t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  FakeSocket.all = [];
  globalThis.document = new EventTarget();
  page = new EventTarget();
  globalThis.addEventListener = page.addEventListener.bind(page);
  links = [];
  frames = [];
  const target = () => ({ path: "/ws/chat/", after: 3 });
  connection = new Connection({ target, onFrame: (frame) => frames.push(frame), onLink: (link) => links.push(link) });
  connection.open();
});

const socket = () => FakeSocket.all.at(-1);
const count = () => FakeSocket.all.length;

test("the wait before an attempt grows to thirty seconds, at random below that", () => {
  const longest = [0, 1, 2, 5, 6, 7, 1000].map((attempt) => backoff(attempt, () => 1));
  assert.deepEqual(longest, [500, 1000, 2000, 16_000, 30_000, 30_000, 30_000]);
  assert.equal(
    backoff(3, () => 0),
    0,
  );
});

test("a socket that breaks is opened again", (t) => {
  socket().accept();
  socket().breaks(1006);
  assert.equal(links.at(-1).phase, "waiting");
  t.mock.timers.tick(500);
  assert.equal(count(), 2);
});

for (const code of [4401, 4403, 4404, 4409]) {
  test(`after ${code} the page does not come back by itself`, (t) => {
    socket().accept();
    socket().breaks(code);
    t.mock.timers.tick(120_000);
    assert.deepEqual([links.at(-1), count()], [{ phase: "closed", code }, 1]);
  });
}

test("after a bye the page comes back when the server said", (t) => {
  socket().accept();
  socket().receive({ type: "bye", retry_ms: 10_000 });
  socket().breaks(4012);
  t.mock.timers.tick(9_999);
  assert.equal(count(), 1);
  t.mock.timers.tick(5_002);
  assert.equal(count(), 2);
});

test("eight frames are acknowledged, and fewer when they are long", () => {
  socket().accept();
  for (let at = 0; at < 8; at += 1) socket().receive({ type: "pong" });
  assert.deepEqual(socket().sent, [{ type: "ack", frames: 8 }]);
  socket().receive({ type: "stream_html", html: "x".repeat(20_000) });
  assert.deepEqual(socket().sent.at(-1), { type: "ack", frames: 9 });
});

test("a server that is silent is asked, and left when it does not answer", (t) => {
  socket().accept();
  t.mock.timers.tick(8_000);
  assert.deepEqual(socket().sent, [{ type: "ping" }]);
  socket().receive({ type: "pong" });
  t.mock.timers.tick(8_000);
  assert.equal(socket().sent.length, 2);
  t.mock.timers.tick(7_000);
  assert.equal(links.at(-1).phase, "waiting");
});

test("an attempt that no one answers ends", (t) => {
  t.mock.timers.tick(20_000);
  assert.equal(links.at(-1).phase, "waiting");
});

test("when the browser is online again the page does not wait", () => {
  socket().accept();
  socket().breaks(1006);
  page.dispatchEvent(new Event("online"));
  assert.equal(count(), 2);
});

test("a frame without a connection is not sent, and the caller is told", () => {
  assert.equal(connection.send({ type: "ping" }), false);
  socket().accept();
  assert.equal(connection.send({ type: "ping" }), true);
});

test("the break of a socket that was left is nobody's business", () => {
  const first = socket();
  first.accept();
  connection.open();
  first.breaks(1006);
  assert.equal(links.at(-1).phase, "connecting");
  assert.equal(count(), 2);
});
