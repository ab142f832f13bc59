-- When a session was last known to be live. Whoever was not for long is forgotten, the longest first.
ALTER TABLE session ADD COLUMN seen_at INTEGER NOT NULL DEFAULT 0;
-- Until now nobody noted it, so all of them are taken for live at the moment of this step.
UPDATE session SET seen_at = CAST(unixepoch('subsec') * 1000 AS INTEGER);
CREATE INDEX session_by_seen ON session (seen_at);
