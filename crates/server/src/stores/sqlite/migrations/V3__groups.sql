-- What an app says about its users and conversations: pictures are a file of ours or a URL, both of
-- them and metadata as JSON.
ALTER TABLE user ADD COLUMN name TEXT;
ALTER TABLE user ADD COLUMN avatar TEXT;
ALTER TABLE user ADD COLUMN metadata TEXT;
ALTER TABLE user ADD COLUMN updated_at INTEGER;
ALTER TABLE user ADD COLUMN last_active INTEGER NOT NULL DEFAULT 0;
UPDATE user SET last_active = created_at;

-- A deleted message leaves no row, so "messages" counts rows and "newest_g" is the last of them;
-- NULL where there is none. Users and conversations leave no row either.
ALTER TABLE conversation ADD COLUMN title TEXT;
ALTER TABLE conversation ADD COLUMN avatar TEXT;
ALTER TABLE conversation ADD COLUMN metadata TEXT;
ALTER TABLE conversation ADD COLUMN messages INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN newest_g INTEGER;
UPDATE conversation SET
    messages = (SELECT count(*) FROM message WHERE conversation = conversation.id),
    newest_g = (SELECT g FROM message WHERE conversation = conversation.id
        ORDER BY seq DESC LIMIT 1);

-- Members stand in the order of since_g, those who were there from the start in that of "place".
-- Who has left keeps a row: it says where to look for messages when the user is deleted.
ALTER TABLE member ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
ALTER TABLE member ADD COLUMN left_g INTEGER;
DROP INDEX member_by_conversation;
CREATE INDEX member_by_conversation ON member (conversation, left_g);

-- The outside id of the message that a change is about: it is told again when the message is gone.
ALTER TABLE change ADD COLUMN subject BLOB;
ALTER TABLE change ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;

-- The files that something refers to: messages, pictures of users and conversations. A row comes and
-- goes in the transaction of what refers to it; whatever file has no row can be taken away.
CREATE TABLE media (
    name       TEXT    PRIMARY KEY,
    app        INTEGER NOT NULL REFERENCES app,
    mime       TEXT    NOT NULL,
    kind       TEXT    NOT NULL,                -- image, gif, video, file
    bytes      INTEGER NOT NULL,
    title      TEXT,
    created_at INTEGER NOT NULL,
    uses       INTEGER NOT NULL                 -- how many refer to it
) STRICT, WITHOUT ROWID;

ALTER TABLE session DROP COLUMN generation;

-- Somebody may listen as the app itself: then there is no user. A row may outlive its user, its
-- conversation and the membership; then it counts no longer.
CREATE TABLE listening (
    session    INTEGER NOT NULL REFERENCES session,
    topic      TEXT    NOT NULL,                -- conversation, person
    topic_id   INTEGER NOT NULL,
    dialect    TEXT    NOT NULL,
    user       INTEGER,
    since_g    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    key        INTEGER,                         -- the key on which the right to listen hangs
    until      INTEGER,                         -- when the token ends on which it hangs
    PRIMARY KEY (session, topic, topic_id, dialect)
) STRICT, WITHOUT ROWID;
INSERT INTO listening
    SELECT session, topic, topic_id, dialect, user, since_g, created_at, NULL, NULL
    FROM subscription;
DROP TABLE subscription;
ALTER TABLE listening RENAME TO subscription;
