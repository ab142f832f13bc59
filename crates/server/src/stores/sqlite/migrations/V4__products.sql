-- A message has any number of files: the column is an array now.
UPDATE message SET media = '[' || media || ']' WHERE media IS NOT NULL;

-- What a vendor and a customer talk about, as JSON.
ALTER TABLE conversation ADD COLUMN product TEXT;

-- Whether the other one was there to read it; only messages about products say so. Those that were
-- missed are found by the index, which is empty for all others.
ALTER TABLE message ADD COLUMN recipient_online INTEGER;
CREATE INDEX message_missed ON message (conversation, g) WHERE recipient_online = 0;

-- Up to where what a user missed was handed out.
ALTER TABLE user ADD COLUMN collected_g INTEGER NOT NULL DEFAULT 0;

-- A member does not list a conversation whose newest message is not newer than this.
ALTER TABLE member ADD COLUMN hidden_g INTEGER NOT NULL DEFAULT 0;

-- Of a deleted conversation that held much a row stays until the rest is erased; it has no key and
-- no members any longer, and nothing of it is found.
ALTER TABLE conversation ADD COLUMN deleted_at INTEGER;
CREATE INDEX conversation_deleted ON conversation (deleted_at) WHERE deleted_at IS NOT NULL;

-- Who takes no messages from whom.
CREATE TABLE block (
    user       INTEGER NOT NULL REFERENCES user,
    whom       INTEGER NOT NULL REFERENCES user,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user, whom)
) STRICT, WITHOUT ROWID;
CREATE INDEX block_by_whom ON block (whom);
