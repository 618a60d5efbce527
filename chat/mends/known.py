"""The mends of Daphne, Channels and Django, with what each stands on. Of Langroid: `agents/langroid/mends.py`."""

from __future__ import annotations

from chat.mends.mend import Mend, Needs

PATIENT_CLOSE = Mend(
    name="patient close",
    place="chat/mends/daphne_close.py",
    packages=("daphne", "autobahn"),
    needs=(
        Needs("daphne.ws_protocol", "WebSocketFactory.buildProtocol", mentions="buildProtocol"),
        Needs("daphne.ws_protocol", "WebSocketFactory.protocol"),
        Needs("daphne.ws_protocol", "WebSocketProtocol.onMessage", takes="payload isBinary"),
        Needs("autobahn.websocket.protocol", "WebSocketProtocol.STATE_OPEN"),
        Needs("autobahn.websocket.protocol", "WebSocketProtocol.sendCloseFrame", mentions="closeHandshakeTimeout"),
    ),
    without="a page that is closed may not hear why, and sees 1006",
)

LEAN_CONSUMER = Mend(
    name="lean consumer",
    place="chat/mends/lean_consumer.py",
    packages=("channels",),
    needs=(
        Needs("channels.consumer", "get_handler_name", takes="message"),
        Needs(
            "channels.consumer", "AsyncConsumer.__call__", takes="scope receive send", mentions="channel_layer_alias"
        ),
        Needs("channels.consumer", "AsyncConsumer.dispatch", takes="message"),
        Needs("channels.consumer", "AsyncConsumer.send", mentions="base_send"),
        Needs("channels.generic.websocket", "AsyncWebsocketConsumer.websocket_connect", takes="message"),
        Needs("channels.generic.websocket", "AsyncWebsocketConsumer.websocket_receive", takes="message"),
        Needs("channels.generic.websocket", "AsyncWebsocketConsumer.websocket_disconnect", takes="message"),
    ),
    without="a frame costs twice the CPU time, and layer messages wait for the database",
)

MEMORY_LAYER = Mend(
    name="in-memory layer",
    place="chat/layers.py",
    packages=("channels",),
    needs=(
        Needs("channels.layers", "InMemoryChannelLayer.__init__", mentions="channels groups"),
        Needs("channels.layers", "BaseChannelLayer.__init__", mentions="expiry"),
        Needs("channels.layers", "BaseChannelLayer.get_capacity", takes="channel"),
        Needs("channels.layers", "BaseChannelLayer.require_valid_group_name", takes="name"),
        Needs("channels.layers", "InMemoryChannelLayer.send", mentions="put_nowait expiry"),
        Needs("channels.layers", "InMemoryChannelLayer.receive", mentions="_clean_expired"),
        Needs("channels.layers", "InMemoryChannelLayer.group_send", takes="group message", mentions="_clean_expired"),
    ),
    without="each chunk costs a task and a copy for each page",
)

REDIS_LAYER = Mend(
    name="Redis layer",
    place="chat/redis_layer.py",
    packages=("channels-redis",),
    needs=(
        Needs("channels_redis.pubsub", "RedisPubSubChannelLayer._get_layer"),
        Needs("channels_redis.pubsub", "RedisPubSubLoopLayer.__init__", mentions="prefix channels"),
        Needs("channels_redis.pubsub", "RedisPubSubLoopLayer.new_channel", takes="prefix"),
        Needs("channels_redis.pubsub", "RedisPubSubLoopLayer._subscribe_to_channel", mentions="channels Queue"),
        Needs("channels_redis.pubsub", "RedisPubSubLoopLayer.receive", takes="channel", mentions="channels"),
        Needs("channels_redis.pubsub", "RedisPubSubLoopLayer.group_add", takes="group channel", mentions="channels"),
        Needs("channels_redis.pubsub", "RedisPubSubLoopLayer.group_discard", takes="group channel"),
    ),
    without="while Redis is away no page can connect, and a refused socket leaves its queue",
)

KEPT_CONNECTIONS = Mend(
    name="kept connections",
    place="chat/mends/sqlite.py",
    packages=("Django",),
    needs=(
        Needs("django.utils.connection", "BaseConnectionHandler.__setitem__", takes="key value"),
        Needs("django.utils.connection", "BaseConnectionHandler.__delitem__", takes="key"),
        Needs("django.utils.connection", "BaseConnectionHandler.all", takes="initialized_only"),
        Needs("django.db.backends.base.base", "BaseDatabaseWrapper.copy", takes="alias"),
        Needs("django.db.backends.base.base", "BaseDatabaseWrapper.__init__", mentions="execute_wrappers queries_log"),
        Needs("django.db.backends.base.base", "BaseDatabaseWrapper.inc_thread_sharing"),
        Needs("django.db.backends.base.base", "BaseDatabaseWrapper.close_if_unusable_or_obsolete"),
        Needs("django.db.backends.utils", "CursorWrapper._execute_with_wrappers", takes="sql params many executor"),
        Needs("django.db.backends.sqlite3.base", "DatabaseWrapper._start_transaction_under_autocommit"),
        Needs("django.db.backends.sqlite3.base", "DatabaseWrapper.create_cursor", takes="name"),
        Needs("django.db.backends.sqlite3.base", "SQLiteCursorWrapper.convert_query", takes="query param_names"),
    ),
    without="each piece of work opens SQLite anew, and busy writers may wait for seconds",
)

STATEMENTS = Mend(
    name="prepared statements",
    place="chat/mends/statements.py",
    packages=("Django",),
    needs=(
        Needs("django.db.models.sql.query", "Query.sql_with_params"),
        Needs("django.db.models.sql.query", "Query.get_compiler", takes="connection"),
        Needs("django.db.models.sql.compiler", "SQLCompiler.compile", takes="node"),
        Needs("django.db.models.base", "Model.from_db", takes="db field_names values"),
        Needs("django.db.models.fields", "Field.get_db_prep_save", takes="value connection"),
        Needs("django.db.models.fields", "Field.get_col", takes="alias"),
        Needs("django.db.models.expressions", "BaseExpression.get_db_converters", takes="connection"),
        Needs("django.db.models.expressions", "DatabaseDefault"),
        Needs("django.db.backends.base.operations", "BaseDatabaseOperations.get_db_converters", takes="expression"),
    ),
    without="the statements of a turn are made anew each time: three times the CPU time",
)

MENDS = (PATIENT_CLOSE, LEAN_CONSUMER, MEMORY_LAYER, REDIS_LAYER, KEPT_CONNECTIONS, STATEMENTS)
