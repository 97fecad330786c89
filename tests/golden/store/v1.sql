-- A store of schema 1 as it was written then; tests open it and see what became of it.
CREATE TABLE event (
  "seq" BIGINT,
  "event_id" VARCHAR,
  "event_key" INTEGER,
  "kind" VARCHAR,
  "time_us" BIGINT,
  "time_client_us" BIGINT,
  "time_sent_us" BIGINT,
  "received_us" BIGINT,
  "time_rule" VARCHAR,
  "actor_key" BIGINT,
  "anon_key" BIGINT,
  "person_key" BIGINT,
  "account_key" BIGINT,
  "session_key" BIGINT,
  "session_rule" VARCHAR,
  "source" VARCHAR,
  "protocol" VARCHAR,
  "page_url" VARCHAR,
  "path" VARCHAR,
  "host" VARCHAR,
  "title" VARCHAR,
  "referrer" VARCHAR,
  "referrer_host" VARCHAR,
  "channel" VARCHAR,
  "utm_source" VARCHAR,
  "utm_medium" VARCHAR,
  "utm_campaign" VARCHAR,
  "utm_term" VARCHAR,
  "utm_content" VARCHAR,
  "device_type" VARCHAR,
  "device_brand" VARCHAR,
  "device_model" VARCHAR,
  "browser" VARCHAR,
  "browser_version" VARCHAR,
  "os" VARCHAR,
  "os_version" VARCHAR,
  "app_name" VARCHAR,
  "app_version" VARCHAR,
  "library_name" VARCHAR,
  "library_version" VARCHAR,
  "locale" VARCHAR,
  "client_timezone" VARCHAR,
  "country" VARCHAR,
  "region" VARCHAR,
  "city" VARCHAR,
  "screen_width" INTEGER,
  "screen_height" INTEGER,
  "ip" VARCHAR,
  "user_agent" VARCHAR,
  "is_bot" BOOLEAN,
  "value" DECIMAL(38,9),
  "unit" VARCHAR,
  "revenue" DECIMAL(38,9),
  "currency" VARCHAR,
  "groups" VARCHAR,
  "flags" VARCHAR,
  "prop_text" VARIANT,
  "prop_number" VARIANT,
  "prop_other" VARIANT
);
CREATE TABLE event_name (
  "event_key" INTEGER,
  "name" VARCHAR
);
CREATE TABLE actor (
  "actor_key" BIGINT,
  "id_kind" VARCHAR,
  "id" VARCHAR,
  "first_seq" BIGINT
);
CREATE TABLE identity_link (
  "seq" BIGINT,
  "anon_key" BIGINT,
  "user_key" BIGINT,
  "outcome" VARCHAR
);
CREATE TABLE person_override (
  "person_key" BIGINT,
  "into_key" BIGINT,
  "seq" BIGINT
);
CREATE TABLE account (
  "account_key" BIGINT,
  "id" VARCHAR,
  "first_seq" BIGINT
);
CREATE TABLE session (
  "session_key" BIGINT,
  "id" VARCHAR,
  "first_seq" BIGINT
);
CREATE TABLE profile (
  "seq" BIGINT,
  "subject_kind" VARCHAR,
  "subject_key" BIGINT,
  "op" VARCHAR,
  "time_us" BIGINT,
  "properties" VARCHAR
);
CREATE TABLE property (
  "name" VARCHAR,
  "class" VARCHAR,
  "events" BIGINT,
  "first_seq" BIGINT,
  "last_seq" BIGINT
);
CREATE TABLE dedupe_key (
  "key_hi" UBIGINT,
  "key_lo" UBIGINT,
  "seq" BIGINT,
  "content" UBIGINT
);
CREATE TABLE duplicate (
  "seq" BIGINT,
  "first_seq" BIGINT,
  "received_us" BIGINT
);
CREATE TABLE failed_event (
  "seq" BIGINT,
  "received_us" BIGINT,
  "source" VARCHAR,
  "protocol" VARCHAR,
  "stage" VARCHAR,
  "code" VARCHAR,
  "message" VARCHAR,
  "path" VARCHAR,
  "event_id" VARCHAR,
  "event_name" VARCHAR,
  "first_seq" BIGINT,
  "raw" BLOB,
  "raw_bytes" BIGINT,
  "status" VARCHAR
);
CREATE TABLE ledger (
  "minute_us" BIGINT,
  "source" VARCHAR,
  "protocol" VARCHAR,
  "outcome" VARCHAR,
  "reason" VARCHAR,
  "items" BIGINT
);
CREATE TABLE progress (
  "name" VARCHAR,
  "amount" BIGINT
);
CREATE TABLE meta (
  "name" VARCHAR,
  "text" VARCHAR
);
INSERT INTO meta VALUES ('schema_version', '1'), ('project', 'p');
INSERT INTO progress VALUES ('log_position', 9), ('identity_position', 327681);
INSERT INTO event_name VALUES (1, 'open');
INSERT INTO actor VALUES
  (1, 'anonymous', 'phone', 65536), (2, 'user', 'ana', 131072), (3, 'user', 'bo', 196608),
  (4, 'anonymous', 'tv', 262144);
INSERT INTO event (seq, event_id, event_key, time_us, actor_key, anon_key, person_key) VALUES
  (65536, 'e1', 1, 1000000, 1, 1, 1), (131072, 'e2', 1, 2000000, 2, 1, 2),
  (196608, 'e3', 1, 3000000, 3, 1, 3), (262144, 'e4', 1, 4000000, 4, 4, 4);
INSERT INTO dedupe_key VALUES (1, 1, 65536, 1), (2, 2, 131072, 2), (3, 3, 196608, 3), (4, 4, 262144, 4);
INSERT INTO identity_link VALUES (131072, 1, 2, 'linked'), (196608, 1, 3, 'refused');
INSERT INTO person_override VALUES (1, 2, 131072);
INSERT INTO account VALUES (1, 'acme', 65536);
INSERT INTO profile VALUES
  (393216, 'user', 2, 'set', 5000000, '{"plan":"pro"}'),
  (393217, 'member', 2, 'union', 5000000, '{"account":"acme"}'),
  (393218, 'member', 2, 'union', 6000000, '{"account":"initech"}'),
  (393219, 'member', 4, 'union', 7000000, '{"team \".$*":"t:1"}'),
  (393220, 'account', NULL, 'set', 5000000, '{"seats":3}'),
  (393221, 'anonymous', 4, 'set', 5000000, '{"locale":"de"}');
