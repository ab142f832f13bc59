INSERT INTO app VALUES (1, x'01970000000070008000000000000001', 'shop', 'open', 1, 65536, 'secret', '', 1, 3, 1000000001);
INSERT INTO api_key VALUES (1, 1, 'client', zeroblob(32), 'pk_a', 1, NULL);
INSERT INTO user VALUES
    (1, 1, x'01970000000070008000000000000002', '7', 1, 1, 'Ann', '{"url":"https://example.org/a.png"}', '{"a":1}', 2, 1, 0, 1, 'ann'),
    (2, 1, x'01970000000070008000000000000003', 'bob', 0, 1, NULL, NULL, NULL, NULL, 1, 0, 2, 'bob'),
    (3, 1, x'01970000000070008000000000000007', 'cid', 0, 1, ' ÇID', NULL, NULL, NULL, 9, 3, 3, 'çid');
INSERT INTO conversation VALUES
    (1, 1, x'01970000000070008000000000000004', 'direct', '1:2', 1, 2, 3, 3, 3, NULL, NULL, NULL, 2, 3, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0),
    (2, 1, x'01970000000070008000000000000008', 'group', NULL, 1, 4, 8, 8, 5, 'All', '{"media":{"name":"b.png","kind":"image","mime":"image/png","bytes":9,"title":null}}', NULL, 0, NULL, '{"id":"p"}', NULL, NULL, NULL, NULL, NULL, 0, 0),
    (3, 1, x'0197000000007000800000000000000a', 'room', 'live', 1, 0, 0, 1, NULL, 'Live', NULL, NULL, 0, NULL, NULL, NULL, 1000000001, 1000000001, '{"private":false}', NULL, 0, 0);
INSERT INTO member VALUES
    (1, 1, 'member', 0, 0, 0, NULL, 0, 0),
    (2, 1, 'member', 0, 0, 1, NULL, 0, 0),
    (1, 2, 'owner', 0, 1, 0, NULL, 0, 2),
    (3, 2, 'member', 6, 0, 0, 8, 0, 0),
    (1, 3, 'owner', 0, 0, 0, NULL, 0, 0),
    (3, 3, 'moderator', 0, 0, 1, NULL, 0, 0);
INSERT INTO session VALUES (-5, 1, zeroblob(32), 'sid', '/', NULL, 0, 1, 1700000000000);
INSERT INTO subscription VALUES (-5, 'conversation', 1, 'direct', 1, 1, 1, 1, NULL, NULL);
INSERT INTO message VALUES
    (2, 1, 1, x'01970000000070008000000000000005', 1, 'hello', NULL, NULL, 2, NULL, NULL, -5, 'try-1', NULL, NULL, NULL),
    (3, 1, 2, x'01970000000070008000000000000006', 2, 'hello too', '[{"name":"c.png","kind":"image","mime":"image/png","bytes":9,"title":null}]', NULL, 3, NULL, NULL, NULL, NULL, 0, x'01970000000070008000000000000005', '[{"type":"moderator","text":"Moderator"}]');
INSERT INTO change VALUES
    (6, 2, 2, 'join', 1, -5, NULL, '3', NULL, 6),
    (7, 2, 3, 'delete', 1, -5, NULL, NULL, x'01970000000070008000000000000009', 7),
    (8, 2, 4, 'leave', 3, NULL, NULL, '3', NULL, 8);
INSERT INTO media VALUES ('b.png', 1, 'image/png', 'image', 9, NULL, 1, 1);
INSERT INTO media VALUES ('c.png', 1, 'image/png', 'image', 9, NULL, 1, 1);
INSERT INTO block VALUES (2, 1, 1);
INSERT INTO ban VALUES (3, 2, NULL);
INSERT INTO vote VALUES (3, 2, 1);
INSERT INTO boot VALUES (1, 77, 1);
INSERT INTO filter VALUES (1, x'0197000000007000800000000000000b', 1, 'bad*', 'hold', 3);
INSERT INTO review VALUES
    (1, x'0197000000007000800000000000000c', 1, 2, 3, 8, NULL, 'badly', NULL, NULL, NULL, NULL, 'try-2'),
    (2, x'0197000000007000800000000000000d', 1, 1, 2, 8, 3, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO report VALUES (2, 1, 'rude', 8);
UPDATE node SET commits = 3, last_g = 8, last_app = 1, last_user = 3, last_conversation = 3,
    last_key = 1, last_uuid = x'0197000000007000800000000000000d';
