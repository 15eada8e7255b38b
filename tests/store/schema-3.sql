-- A database as lowkeyd 0.1.0 with schema 3 left it: one photo in every state. Never to be changed.
BEGIN TRANSACTION;
CREATE TABLE daemon (
	id INTEGER NOT NULL, 
	pid INTEGER NOT NULL, 
	started_at FLOAT NOT NULL, 
	beat_at FLOAT NOT NULL, 
	report TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "daemon" VALUES(1,42,1699999990.0,1700000002.0,'{"workers": [], "settling": 0, "scanned_at": 1700000000.0, "memory": {}}');
CREATE TABLE history (
	id INTEGER NOT NULL, 
	at FLOAT NOT NULL, 
	watch TEXT NOT NULL, 
	path BLOB NOT NULL, 
	state TEXT NOT NULL, 
	stage TEXT, 
	reason TEXT, 
	strength TEXT, 
	seconds FLOAT, 
	PRIMARY KEY (id)
);
INSERT INTO "history" VALUES(1,1700000002.0,'inbox',X'686F6C696461792F62656163682E6A7067','done',NULL,NULL,'protected',3.5);
INSERT INTO "history" VALUES(2,1700000002.0,'inbox',X'636166E92E6A7067','no_face','detect','no face was found',NULL,NULL);
INSERT INTO "history" VALUES(3,1700000002.0,'inbox',X'62726F6B656E2E6A7067','failed','decode','is no picture',NULL,NULL);
CREATE TABLE pause (
	id INTEGER NOT NULL, 
	reason TEXT NOT NULL, 
	since FLOAT NOT NULL, 
	until FLOAT, 
	PRIMARY KEY (id)
);
INSERT INTO "pause" VALUES(1,'a person said so',1700000001.0,1700007201.0);
CREATE TABLE photo (
	id INTEGER NOT NULL, 
	watch TEXT NOT NULL, 
	path BLOB NOT NULL, 
	size INTEGER NOT NULL, 
	mtime_ns INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	not_before FLOAT NOT NULL, 
	attempts INTEGER NOT NULL, 
	suspect INTEGER NOT NULL, 
	interruptions INTEGER NOT NULL, 
	superseded INTEGER NOT NULL, 
	stage TEXT, 
	reason TEXT, 
	advice TEXT, 
	sha256 TEXT, 
	delivery_path BLOB, 
	delivery_sha256 TEXT, 
	"temp" BLOB, 
	next_path BLOB, 
	next_sha256 TEXT, 
	verdict TEXT, 
	strength TEXT, 
	fingerprint TEXT, 
	seconds FLOAT, 
	added_at FLOAT NOT NULL, 
	changed_at FLOAT NOT NULL, 
	arrived_at FLOAT DEFAULT '0' NOT NULL, 
	bumped_at FLOAT DEFAULT '0' NOT NULL, 
	missing_at FLOAT, refused TEXT, 
	PRIMARY KEY (id), 
	UNIQUE (watch, path)
);
INSERT INTO "photo" VALUES(1,'inbox',X'686F6C696461792F62656163682E6A7067',1000,1700000000000000000,'done',0.0,0,0,0,0,NULL,NULL,NULL,'0000000000000000000000000000000000000000000000000000000000000001',X'696E626F782F686F6C696461792F62656163682E6A7067','0000000000000000000000000000000000000000000000000000000000000065',NULL,NULL,NULL,'{"strength": "protected", "independent": false, "preset": "balanced", "faces": [{"box": [10.0, 20.0, 90.0, 110.0], "found_again": true, "scores": [{"network": "dlib", "attacked": true, "threshold": 0.6, "before": 0.0, "after": 0.9, "shared": 0.8, "similarity_before": 1.0, "similarity_after": 0.2, "accepted": false}], "visibility": {"lpips": 0.012, "psnr_db": 39.5, "ssim": 0.985, "chroma": 0.7}, "strength": "protected"}]}','protected','0123456789abcdef',3.5,1700000000.0,1700000002.0,1700000000.0,0.0,NULL,NULL);
INSERT INTO "photo" VALUES(2,'inbox',X'636166E92E6A7067',1001,1700000000000000001,'no_face',0.0,1,0,0,0,'detect','no face was found',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1700000000.0,1700000002.0,1700000000.0,0.0,1700000003.0,NULL);
INSERT INTO "photo" VALUES(3,'inbox',X'62726F6B656E2E6A7067',1002,1700000000000000002,'failed',0.0,1,0,0,0,'decode','is no picture','Restore it from a backup.',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1700000000.0,1700000002.0,1700000000.0,0.0,NULL,'{"faces": [], "preset": "strong"}');
INSERT INTO "photo" VALUES(4,'inbox',X'66756C6C2E6A7067',1003,1700000000000000003,'waiting',1700000060.0,0,0,0,0,'publish','No space left on device','Make room.',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1700000000.0,1700000002.0,1700000000.0,0.0,NULL,NULL);
INSERT INTO "photo" VALUES(5,'inbox',X'696E20776F726B2E6A7067',1004,1700000000000000004,'running',0.0,1,0,0,0,'optimise',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1700000000.0,1700000000.0,1700000000.0,0.0,NULL,NULL);
INSERT INTO "photo" VALUES(6,'inbox',X'68616C66207761792E6A7067',1005,1700000000000000005,'publishing',0.0,1,0,0,0,'publish',NULL,NULL,'0000000000000000000000000000000000000000000000000000000000000006',NULL,NULL,X'696E626F782F2E6C6F776B6579642D30303030303030303030303030303030303030303030303030303030303030362E746D70',X'696E626F782F68616C66207761792E6A7067','000000000000000000000000000000000000000000000000000000000000006a','{"strength": "protected", "independent": false, "preset": "balanced", "faces": [{"box": [10.0, 20.0, 90.0, 110.0], "found_again": true, "scores": [{"network": "dlib", "attacked": true, "threshold": 0.6, "before": 0.0, "after": 0.9, "shared": 0.8, "similarity_before": 1.0, "similarity_after": 0.2, "accepted": false}], "visibility": {"lpips": 0.012, "psnr_db": 39.5, "ssim": 0.985, "chroma": 0.7}, "strength": "protected"}]}','protected','0123456789abcdef',3.5,1700000000.0,1700000001.0,1700000000.0,0.0,NULL,NULL);
INSERT INTO "photo" VALUES(7,'inbox',X'7261772E637232',1006,1700000000000000006,'ignored',0.0,1,0,0,0,'decode','raw: a camera''s RAW file','Nothing to do.',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1700000000.0,1700000002.0,1700000000.0,0.0,NULL,NULL);
INSERT INTO "photo" VALUES(8,'inbox',X'676F6E652E6A7067',1007,1700000000000000007,'ignored',0.0,1,0,0,0,'admit','it was taken away before its turn',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1700000000.0,1700000002.0,1700000000.0,0.0,NULL,NULL);
INSERT INTO "photo" VALUES(9,'inbox',X'6E65772E6A7067',1008,1700000000000000008,'ready',0.0,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1700000000.0,1700000000.0,1700000000.0,1700000001.0,NULL,NULL);
CREATE TABLE root (
	watch TEXT NOT NULL, 
	path BLOB NOT NULL, 
	identity TEXT NOT NULL, 
	filled INTEGER NOT NULL, 
	PRIMARY KEY (watch)
);
INSERT INTO "root" VALUES('inbox',X'2F7372762F70686F746F73','64768-1234567',1);
CREATE INDEX photo_by_content ON photo (sha256, state);
CREATE INDEX photo_by_watch ON photo (watch, state);
CREATE INDEX photo_weak ON photo (state) WHERE strength = 'weak';
CREATE INDEX photo_by_state ON photo (state, not_before, id);
CREATE INDEX history_by_time ON history (at);
CREATE TRIGGER photo_ended AFTER UPDATE OF state ON photo
WHEN NEW.state IN ('done', 'no_face', 'failed') AND OLD.state <> NEW.state
BEGIN
    INSERT INTO history (at, watch, path, state, stage, reason, strength, seconds)
    VALUES (NEW.changed_at, NEW.watch, NEW.path, NEW.state, NEW.stage, NEW.reason, NEW.strength, NEW.seconds);
    DELETE FROM history WHERE at < NEW.changed_at - 7776000 OR id <= last_insert_rowid() - 100000;
END;
CREATE TRIGGER photo_forgotten AFTER INSERT ON history WHEN NEW.id % 1000 = 0
BEGIN
    DELETE FROM photo
    WHERE state = 'ignored' AND stage = 'admit' AND delivery_path IS NULL AND changed_at < NEW.at - 7776000;
END;
COMMIT;
PRAGMA user_version = 3;
