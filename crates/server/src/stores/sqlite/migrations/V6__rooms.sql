-- Users have a number in their app, for clients whose ids are numbers, and are found by the name under
-- which others see them: without case, and without space around it. SQLite folds only ASCII, so
-- "folded" is a function of ours.
ALTER TABLE user ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user ADD COLUMN called TEXT NOT NULL DEFAULT '';
UPDATE user SET number = counted.number, called = folded(coalesce(name, external))
    FROM (SELECT id AS whose, row_number() OVER (PARTITION BY app ORDER BY id) AS number FROM user)
        AS counted
    WHERE whose = id;
CREATE INDEX user_by_called ON user (app, called);

-- The highest numbers given in an app, to users, and to rooms and live streams. Never given twice.
ALTER TABLE app ADD COLUMN last_user INTEGER NOT NULL DEFAULT 0;
ALTER TABLE app ADD COLUMN last_room INTEGER NOT NULL DEFAULT 0;
UPDATE app SET last_user = (SELECT count(*) FROM user WHERE user.app = app.id);

-- A room has two numbers and a state, as JSON. "due_at" is when something in it ends by itself. What
-- has a "seq" up to "cleared_seq" stands in no history and is not counted in "messages": it was there
-- when the room was cleared, at "cleared_g".
ALTER TABLE conversation ADD COLUMN channel INTEGER;
ALTER TABLE conversation ADD COLUMN chatroom INTEGER;
ALTER TABLE conversation ADD COLUMN room TEXT;
ALTER TABLE conversation ADD COLUMN due_at INTEGER;
ALTER TABLE conversation ADD COLUMN cleared_g INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN cleared_seq INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX conversation_by_channel ON conversation (app, channel)
    WHERE channel IS NOT NULL;
CREATE UNIQUE INDEX conversation_by_chatroom ON conversation (app, chatroom)
    WHERE chatroom IS NOT NULL;
CREATE INDEX conversation_due ON conversation (due_at) WHERE due_at IS NOT NULL;

-- The outside id of the message that a message answers, which may be gone. The column of that name was
-- never written. What stood beside the sender's name, as JSON.
ALTER TABLE message DROP COLUMN reply_to;
ALTER TABLE message ADD COLUMN reply_to BLOB;
ALTER TABLE message ADD COLUMN badges TEXT;

-- Who may not write in a room, and until when.
CREATE TABLE ban (
    conversation INTEGER NOT NULL REFERENCES conversation,
    user         INTEGER NOT NULL REFERENCES user,
    until        INTEGER,
    PRIMARY KEY (conversation, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX ban_by_user ON ban (user);
CREATE INDEX ban_until ON ban (until) WHERE until IS NOT NULL;

-- Who has chosen which answer in the poll of a room.
CREATE TABLE vote (
    conversation INTEGER NOT NULL REFERENCES conversation,
    user         INTEGER NOT NULL REFERENCES user,
    option       INTEGER NOT NULL,
    PRIMARY KEY (conversation, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX vote_by_user ON vote (user);

-- What a session calls its topic, where it says so.
ALTER TABLE subscription ADD COLUMN spelling TEXT;
