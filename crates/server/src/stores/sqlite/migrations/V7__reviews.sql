-- Words that are looked for in messages: in one conversation, or in all that are not private.
CREATE TABLE filter (
    id           INTEGER PRIMARY KEY,
    uuid         BLOB    NOT NULL UNIQUE,
    app          INTEGER NOT NULL REFERENCES app,
    words        TEXT    NOT NULL,
    action       TEXT    NOT NULL CHECK (action IN ('hold', 'block')),
    conversation INTEGER REFERENCES conversation
) STRICT;
CREATE INDEX filter_by_app ON filter (app);
CREATE INDEX filter_by_conversation ON filter (conversation) WHERE conversation IS NOT NULL;

-- What waits until somebody has looked at it: a message that was reported, by its "g", or, where that
-- is NULL, one that was not sent yet, with what it says.
CREATE TABLE review (
    id           INTEGER PRIMARY KEY,
    uuid         BLOB    NOT NULL UNIQUE,
    app          INTEGER NOT NULL REFERENCES app,
    conversation INTEGER NOT NULL REFERENCES conversation,
    sender       INTEGER NOT NULL REFERENCES user,
    created_at   INTEGER NOT NULL,
    g            INTEGER UNIQUE REFERENCES message,
    text         TEXT,
    media        TEXT,
    metadata     TEXT,
    reply_to     BLOB,
    badges       TEXT,
    client_id    TEXT
) STRICT;
CREATE INDEX review_by_app ON review (app);
CREATE INDEX review_by_conversation ON review (conversation);
CREATE INDEX review_by_sender ON review (sender, conversation, client_id);

-- Who has reported it, and why.
CREATE TABLE report (
    review     INTEGER NOT NULL REFERENCES review,
    user       INTEGER NOT NULL REFERENCES user,
    reason     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (review, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX report_by_user ON report (user);
