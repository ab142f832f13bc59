-- Integers are the ids inside, 16-byte blobs are the UUIDs outside, times are milliseconds since
-- 1970. "g" is the number of a lasting change on this node, in commit order; "seq" the number of
-- the same change in its conversation.

-- The one row that every commit touches. The counters never go back, so no number is given twice,
-- not even that of a row that was deleted.
CREATE TABLE node (
    id                INTEGER PRIMARY KEY CHECK (id = 1),
    commits           INTEGER NOT NULL,
    last_g            INTEGER NOT NULL,
    last_app          INTEGER NOT NULL,
    last_user         INTEGER NOT NULL,
    last_conversation INTEGER NOT NULL,
    last_key          INTEGER NOT NULL,
    last_uuid         BLOB    NOT NULL
) STRICT;
INSERT INTO node VALUES (1, 0, 0, 0, 0, 0, 0, zeroblob(16));

-- Each start of the server. Its random epoch is in every offset that a client keeps.
CREATE TABLE boot (
    id      INTEGER PRIMARY KEY,
    epoch   INTEGER NOT NULL UNIQUE,
    first_g INTEGER NOT NULL
) STRICT;

CREATE TABLE app (
    id             INTEGER PRIMARY KEY,
    uuid           BLOB    NOT NULL UNIQUE,
    name           TEXT    NOT NULL UNIQUE,
    identity       TEXT    NOT NULL,            -- open, verified
    is_default     INTEGER NOT NULL,
    max_text_bytes INTEGER NOT NULL,
    secret         TEXT    NOT NULL,
    public_keys    TEXT    NOT NULL,
    created_at     INTEGER NOT NULL
) STRICT;

CREATE TABLE api_key (
    id         INTEGER PRIMARY KEY,
    app        INTEGER NOT NULL REFERENCES app,
    scope      TEXT    NOT NULL,                -- client, server
    hash       BLOB    NOT NULL UNIQUE,         -- SHA-256 of the key's text, which is not kept
    prefix     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX api_key_by_app ON api_key (app);

CREATE TABLE user (
    id              INTEGER PRIMARY KEY,
    app             INTEGER NOT NULL REFERENCES app,
    uuid            BLOB    NOT NULL UNIQUE,
    external        TEXT    NOT NULL,           -- the app's own id for this person
    external_number INTEGER NOT NULL,           -- 1 if it first came as a JSON number
    created_at      INTEGER NOT NULL,
    UNIQUE (app, external)
) STRICT;

-- One UPDATE per conversation and commit, however many messages the commit brings.
CREATE TABLE conversation (
    id              INTEGER PRIMARY KEY,
    app             INTEGER NOT NULL REFERENCES app,
    uuid            BLOB    NOT NULL UNIQUE,
    kind            TEXT    NOT NULL,           -- direct, group, product, room
    key             TEXT,
    created_at      INTEGER NOT NULL,
    last_seq        INTEGER NOT NULL,
    last_g          INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    last_message_at INTEGER
) STRICT;
CREATE UNIQUE INDEX conversation_by_key ON conversation (app, kind, key) WHERE key IS NOT NULL;

CREATE TABLE member (
    user         INTEGER NOT NULL REFERENCES user,
    conversation INTEGER NOT NULL REFERENCES conversation,
    role         TEXT    NOT NULL,
    since_g      INTEGER NOT NULL,              -- sees what has a higher g
    read_seq     INTEGER NOT NULL,              -- has read up to here
    PRIMARY KEY (user, conversation)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_by_conversation ON member (conversation, user);

-- A message is its own entry in the log. Text stands nowhere else.
CREATE TABLE message (
    g            INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL REFERENCES conversation,
    seq          INTEGER NOT NULL,
    uuid         BLOB    NOT NULL UNIQUE,
    sender       INTEGER NOT NULL REFERENCES user,
    text         TEXT    NOT NULL,
    media        TEXT,
    metadata     TEXT,
    reply_to     INTEGER,                       -- g of another message
    created_at   INTEGER NOT NULL,
    edited_at    INTEGER,
    deleted_at   INTEGER,
    origin       INTEGER,                       -- the session that sent it
    client_id    TEXT,                          -- the same one makes no second message
    UNIQUE (conversation, seq)
) STRICT;
CREATE UNIQUE INDEX message_by_client_id ON message (conversation, sender, client_id)
    WHERE client_id IS NOT NULL;

-- Every other lasting change. With message it is the log: of a conversation by seq, of the node by
-- g. Holds no text, so that erasing what a person wrote is an UPDATE of message.
CREATE TABLE change (
    g            INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL REFERENCES conversation,
    seq          INTEGER NOT NULL,
    kind         TEXT    NOT NULL,              -- edit, delete, receipt, join, leave, remove, mode, poll
    actor        INTEGER,
    origin       INTEGER,
    subject_g    INTEGER,                       -- the message that it is about
    data         TEXT,
    UNIQUE (conversation, seq)
) STRICT;

-- What survives the loss of a transport. The id is random, so it needs no counter.
CREATE TABLE session (
    id         INTEGER PRIMARY KEY,
    app        INTEGER NOT NULL REFERENCES app,
    pid_hash   BLOB    NOT NULL UNIQUE,         -- SHA-256 of the private id, which is not kept
    sid        TEXT    NOT NULL,
    namespace  TEXT    NOT NULL,
    subject    TEXT,                            -- whom a token proved it to be
    start_g    INTEGER NOT NULL,
    generation INTEGER NOT NULL,                -- rises with each take-over
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE subscription (
    session    INTEGER NOT NULL REFERENCES session,
    topic      TEXT    NOT NULL,                -- conversation, person
    topic_id   INTEGER NOT NULL,
    dialect    TEXT    NOT NULL,
    user       INTEGER NOT NULL REFERENCES user,
    since_g    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (session, topic, topic_id, dialect)
) STRICT, WITHOUT ROWID;
