-- Up to here the conversation holds no message of a user who is about to be deleted: it was looked
-- through, and what was the user's is erased.
ALTER TABLE member ADD COLUMN searched_seq INTEGER NOT NULL DEFAULT 0;
