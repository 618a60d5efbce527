/**
 * What the server sends, as types for editors and readers: no code. Names and fields are those of the classes in
 * `chat/wire/events.py`, and a test holds the two against each other. docs/protocol.md says when each is sent.
 */

/**
 * @typedef {object} message  A record: replaces what was streamed under its id.
 * @property {"message"} type
 * @property {number} seq
 * @property {message_body} message
 */

/**
 * @typedef {object} message_body  The `message` in a `message`.
 * @property {string} agent
 * @property {string|null} parent_id
 * @property {number} depth
 * @property {object|null} [task]
 * @property {string} id
 * @property {string|null} turn
 * @property {string} content
 * @property {string} sender
 * @property {string} status
 * @property {string} timestamp
 * @property {any[]} [attachments]
 * @property {string|null} [follows]  a user's: the turn before
 * @property {string|null} [client_id]
 * @property {boolean} [opening]  a user's that nobody has written: the agent speaks first
 * @property {boolean} [regenerated]
 * @property {string} [request_id]
 * @property {object} [answer]
 * @property {string} [html]  an assistant's
 * @property {string} [reasoning]
 * @property {string|null} [finish_reason]
 * @property {number|null} [duration_ms]
 * @property {object|null} [usage]
 * @property {object|null} [error]
 * @property {string[]} [tool_calls]
 * @property {any[]} [sources]
 * @property {any[]} [parts]  what is shown beside words; `content` stands for it where it cannot be
 * @property {boolean} [truncated]  no frame holds it: `url` has all of it
 * @property {string} [url]
 */

/**
 * @typedef {object} tool_result  A record: one for each `tool_call`.
 * @property {string} agent
 * @property {string|null} parent_id
 * @property {number} depth
 * @property {object|null} [task]
 * @property {"tool_result"} type
 * @property {number} seq
 * @property {string|null} turn
 * @property {string} tool_call_id
 * @property {string|null} message_id
 * @property {string} tool_name
 * @property {object} tool_args
 * @property {string} result
 * @property {string|null} error
 * @property {string} status
 * @property {number|null} duration_ms
 * @property {string} timestamp
 * @property {number} [whole_chars]  of a result that is stored cut
 * @property {number} [model_chars]  the model was given no more characters of it
 * @property {boolean} [truncated]
 * @property {string} [url]
 * @property {any[]} [parts]  of the tool's card
 */

/**
 * @typedef {object} head  A record: the transcript now ends with this turn.
 * @property {"head"} type
 * @property {number} seq
 * @property {string|null} turn
 * @property {string[]} [dropped]  turns that waited and were taken back
 */

/**
 * @typedef {object} stream_token  A chunk of plain text.
 * @property {"stream_token"} type
 * @property {string} message_id
 * @property {number} n
 * @property {string} token
 */

/**
 * @typedef {object} stream_reasoning  A chunk of the model's thinking.
 * @property {"stream_reasoning"} type
 * @property {string} message_id
 * @property {number} n
 * @property {string} token
 */

/**
 * @typedef {object} stream_html  A chunk: the HTML of one block.
 * @property {"stream_html"} type
 * @property {string} message_id
 * @property {number} n
 * @property {number} block  its index
 * @property {string} html
 * @property {number} [keep]  so many UTF-16 units of the block stay
 */

/**
 * @typedef {object} connection  The first frame; again when a slow page catches up.
 * @property {"connection"} type
 * @property {"connected"} status
 * @property {string} session_id  the conversation
 * @property {boolean} [opens]  the agent speaks first, once it is told `open`
 * @property {string} [ticket]  until it has a row
 * @property {string} [access]  for HTTP requests of a page in another site's frame
 * @property {number} protocol
 * @property {number} seq  newest record
 * @property {string|null} head  turn that the transcript ends with
 * @property {string} title
 * @property {string[]} allowed  tools that run without asking
 * @property {string[]} suggestions  what the user may say next
 * @property {object} agent
 * @property {boolean} resumed  else what the page holds is replaced
 * @property {boolean} earlier  older records exist
 * @property {object} limits
 * @property {string} message
 * @property {boolean} [temporary]  it is not kept
 */

/**
 * @typedef {object} status  What the agent does.
 * @property {"status"} type
 * @property {string} state
 * @property {string} agent
 * @property {string|null} turn  worked on
 * @property {string[]} queued  turns, in order
 */

/**
 * @typedef {object} stream_start  A message begins; again, it sets the text so far.
 * @property {string} agent
 * @property {string|null} parent_id
 * @property {number} depth
 * @property {object|null} [task]
 * @property {"stream_start"} type
 * @property {string} message_id
 * @property {string|null} turn
 * @property {"assistant"} sender
 * @property {string} timestamp
 * @property {string} [content]
 * @property {string[]} [blocks]
 * @property {string} [reasoning]
 * @property {number} [n]  of the next `stream_token` or `stream_html`
 * @property {number} [reasoning_n]
 */

/**
 * @typedef {object} stream_more  More of a long text so far.
 * @property {"stream_more"} type
 * @property {string} message_id
 * @property {string} content
 * @property {string[]} [blocks]
 * @property {string} reasoning
 * @property {number} n
 * @property {number} reasoning_n
 */

/**
 * @typedef {object} stream_end  One for each `stream_start`.
 * @property {"stream_end"} type
 * @property {string} message_id
 * @property {number} [n]
 */

/**
 * @typedef {object} tool_call  A tool starts.
 * @property {string} agent
 * @property {string|null} parent_id
 * @property {number} depth
 * @property {object|null} [task]
 * @property {"tool_call"} type
 * @property {string} tool_call_id
 * @property {string|null} turn
 * @property {string|null} message_id
 * @property {string} tool_name
 * @property {object} tool_args
 * @property {string} timestamp
 * @property {any[]} [parts]  of the tool's card, as far as the call alone tells
 */

/**
 * @typedef {object} progress  How far a tool's run has come, or, without one, the turn.
 * @property {"progress"} type
 * @property {string|null} tool_call_id
 * @property {string|null} turn
 * @property {string} label
 * @property {number|null} fraction
 * @property {number|null} done
 * @property {number|null} total
 * @property {boolean} is_over
 */

/**
 * @typedef {object} task_start  A sub-agent's task begins.
 * @property {"task_start"} type
 * @property {string} task_id
 * @property {string} name
 * @property {string|null} parent_id
 * @property {number} depth
 */

/**
 * @typedef {object} task_end  It ends.
 * @property {"task_end"} type
 * @property {string} task_id
 * @property {string} name
 * @property {string|null} parent_id
 * @property {number} depth
 * @property {string} status
 * @property {object} [usage]
 */

/**
 * @typedef {object} input_request  The agent asks; open until the status leaves "waiting".
 * @property {"input_request"} type
 * @property {string} request_id
 * @property {string|null} turn
 * @property {string} prompt
 * @property {string} kind
 * @property {any[]} options
 * @property {string} agent
 * @property {number|null} timeout  seconds
 * @property {object} [schema]  of `tool_args`
 * @property {string} [permission]  that approving takes
 * @property {string} [tool_name]
 * @property {object} [tool_args]
 */

/**
 * @typedef {object} conversation  Any conversation of the owner has changed.
 * @property {"conversation"} type
 * @property {string} id
 * @property {string} title
 * @property {string} agent
 * @property {string} updated
 * @property {string} state  "deleted": it is gone
 * @property {number} newest_seq
 * @property {number} read_seq
 * @property {string[]} allowed  tools that run without asking
 * @property {string[]} suggestions  what the user may say next
 * @property {boolean} pinned
 * @property {boolean} archived
 * @property {string} folder  "": none
 */

/**
 * @typedef {object} feedback
 * @property {"feedback"} type
 * @property {string} message_id
 * @property {object|null} feedback  null: taken back
 */

/**
 * @typedef {object} accepted  A message or answer is committed.
 * @property {"accepted"} type
 * @property {string|null} client_id  the id that the page made
 * @property {string} message_id
 * @property {string|null} turn
 * @property {number|null} seq
 * @property {boolean} duplicate
 */

/**
 * @typedef {object} error  A refusal or a failure.
 * @property {"error"} type
 * @property {string} error  its code
 * @property {string} details  a sentence for people
 * @property {string} [client_id]
 * @property {string} [message_id]
 * @property {number} [retry_ms]
 * @property {string} [incident]
 */

/**
 * @typedef {object} bye  The server closes this socket.
 * @property {"bye"} type
 * @property {string} reason
 * @property {number} retry_ms
 */

/**
 * @typedef {object} pong  The answer to a ping.
 * @property {"pong"} type
 */
