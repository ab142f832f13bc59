INSERT INTO app VALUES (1, x'01970000000070008000000000000001', 'shop', 'open', 1, 65536, 'secret', '', 1);
INSERT INTO api_key VALUES (1, 1, 'client', zeroblob(32), 'pk_a', 1, NULL);
INSERT INTO user VALUES (1, 1, x'01970000000070008000000000000002', '7', 1, 1);
INSERT INTO user VALUES (2, 1, x'01970000000070008000000000000003', 'bob', 0, 1);
INSERT INTO conversation VALUES
    (1, 1, x'01970000000070008000000000000004', 'direct', '1:2', 1, 2, 3, 3, 3);
INSERT INTO member VALUES (1, 1, 'member', 0, 0);
INSERT INTO member VALUES (2, 1, 'member', 0, 0);
INSERT INTO session VALUES (-5, 1, zeroblob(32), 'sid', '/', NULL, 0, 3, 1, 1700000000000);
INSERT INTO subscription VALUES (-5, 'conversation', 1, 'direct', 1, 1, 1);
INSERT INTO message VALUES
    (2, 1, 1, x'01970000000070008000000000000005', 1, 'hello', NULL, NULL, NULL, 2, NULL, NULL, -5, 'try-1'),
    (3, 1, 2, x'01970000000070008000000000000006', 2, 'hello too', NULL, NULL, NULL, 3, NULL, NULL, NULL, NULL);
INSERT INTO boot VALUES (1, 77, 1);
UPDATE node SET commits = 3, last_g = 3, last_app = 1, last_user = 2, last_conversation = 1,
    last_key = 1, last_uuid = x'01970000000070008000000000000006';
