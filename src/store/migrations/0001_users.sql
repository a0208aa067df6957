-- Who may log in. ha1_* open the account as the password does, so the file is for its owner alone.
-- login_expires_unix_s ends the login, expires_unix_s the user; both only for guests.
CREATE TABLE users (
    name TEXT PRIMARY KEY NOT NULL,
    display_name TEXT NOT NULL,
    realm TEXT NOT NULL,
    ha1_md5 TEXT NOT NULL,
    ha1_sha256 TEXT NOT NULL,
    guest INTEGER NOT NULL,
    room TEXT REFERENCES rooms (id),
    created_unix_s INTEGER NOT NULL,
    login_expires_unix_s INTEGER,
    expires_unix_s INTEGER,
    CHECK (guest = (room IS NOT NULL) AND guest = (expires_unix_s IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX users_by_expiry ON users (expires_unix_s) WHERE expires_unix_s IS NOT NULL;
CREATE INDEX users_by_room ON users (room) WHERE room IS NOT NULL;

CREATE TABLE rooms (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT,
    created_unix_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the installation knows about itself, such as its secrets.
CREATE TABLE meta (
    key TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
