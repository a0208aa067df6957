//! Users: the named ones that somebody has made, and guests that came with an invitation.

use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _};

use super::{Store, StoreError};

const COLUMNS: &str = "name, display_name, realm, ha1_md5, ha1_sha256, guest, room, \
                       created_unix_s, login_expires_unix_s, expires_unix_s";

/// H(A1) of RFC 7616 per algorithm, in lower-case hexadecimal. They open the account as the
/// password does, so they are not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Hashes {
    /// The realm that is part of them.
    pub realm: String,
    /// MD5, 32 digits.
    pub md5: String,
    /// SHA-256, 64 digits.
    pub sha256: String,
}

impl std::fmt::Debug for Hashes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hashes({})", self.realm)
    }
}

/// What a guest has and a named user has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The room of the invitation.
    pub room: String,
    /// When the hashes stop to be a login.
    pub login_expires_unix_s: i64,
    /// When the user is removed.
    pub expires_unix_s: i64,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user part of the address-of-record.
    pub name: String,
    /// What others are shown.
    pub display_name: String,
    /// What proves the password.
    pub hashes: Hashes,
    /// Nothing for a named user, who stays until removed.
    pub guest: Option<Guest>,
    /// When the user was made.
    pub created_unix_s: i64,
}

impl FromRow<'_, SqliteRow> for User {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        let is_guest: bool = row.try_get("guest")?;
        let guest = match is_guest {
            true => Some(Guest {
                room: row.try_get("room")?,
                login_expires_unix_s: row.try_get("login_expires_unix_s")?,
                expires_unix_s: row.try_get("expires_unix_s")?,
            }),
            false => None,
        };
        Ok(Self {
            name: row.try_get("name")?,
            display_name: row.try_get("display_name")?,
            hashes: Hashes {
                realm: row.try_get("realm")?,
                md5: row.try_get("ha1_md5")?,
                sha256: row.try_get("ha1_sha256")?,
            },
            guest,
            created_unix_s: row.try_get("created_unix_s")?,
        })
    }
}

/// What became of a new user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is there.
    Yes,
    /// The name is taken.
    Exists,
    /// There are as many of its kind as may be.
    Full,
}

impl Store {
    /// Adds a user, and the room of a guest, unless there are `most` of its kind already.
    ///
    /// # Errors
    /// [`StoreError::Slow`], or SQLite refused.
    pub async fn add_user(&self, user: &User, most: u32) -> Result<Added, StoreError> {
        self.job(self.insert_user(user, most)).await
    }

    async fn insert_user(&self, user: &User, most: u32) -> Result<Added, sqlx::Error> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let taken: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users WHERE name = ?)")
            .bind(&user.name)
            .fetch_one(&mut *transaction)
            .await?;
        if taken {
            return Ok(Added::Exists);
        }
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM users WHERE guest = ?")
            .bind(user.guest.is_some())
            .fetch_one(&mut *transaction)
            .await?;
        if count >= i64::from(most) {
            return Ok(Added::Full);
        }
        let guest = user.guest.as_ref();
        if let Some(guest) = guest {
            sqlx::query("INSERT OR IGNORE INTO rooms (id, created_unix_s) VALUES (?, ?)")
                .bind(&guest.room)
                .bind(user.created_unix_s)
                .execute(&mut *transaction)
                .await?;
        }
        let insert = format!("INSERT INTO users ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        sqlx::query(&insert)
            .bind(&user.name)
            .bind(&user.display_name)
            .bind(&user.hashes.realm)
            .bind(&user.hashes.md5)
            .bind(&user.hashes.sha256)
            .bind(guest.is_some())
            .bind(guest.map(|guest| &guest.room))
            .bind(user.created_unix_s)
            .bind(guest.map(|guest| guest.login_expires_unix_s))
            .bind(guest.map(|guest| guest.expires_unix_s))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Added::Yes)
    }

    /// Gives the guest of that name and room another login and display name, and prolongs it. False
    /// when there is none.
    ///
    /// # Errors
    /// [`StoreError::Slow`], or SQLite refused.
    pub async fn renew_guest(&self, user: &User) -> Result<bool, StoreError> {
        let Some(guest) = &user.guest else {
            return Ok(false);
        };
        let renewing = sqlx::query(
            "UPDATE users SET display_name = ?, realm = ?, ha1_md5 = ?, ha1_sha256 = ?,
                              login_expires_unix_s = ?, expires_unix_s = ?
             WHERE name = ? AND guest AND room = ?",
        )
        .bind(&user.display_name)
        .bind(&user.hashes.realm)
        .bind(&user.hashes.md5)
        .bind(&user.hashes.sha256)
        .bind(guest.login_expires_unix_s)
        .bind(guest.expires_unix_s)
        .bind(&user.name)
        .bind(&guest.room)
        .execute(&self.pool);
        let renewed = self.job(renewing).await?;
        Ok(renewed.rows_affected() > 0)
    }

    /// One user; nothing when there is none of that name.
    ///
    /// # Errors
    /// [`StoreError::Slow`], or SQLite refused.
    pub async fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
        let select = format!("SELECT {COLUMNS} FROM users WHERE name = ?");
        let reading = sqlx::query_as(&select)
            .bind(name)
            .fetch_optional(&self.pool);
        let user = self.job(reading).await?;
        Ok(user)
    }

    /// Users after `after` by their names, `count` at most.
    ///
    /// # Errors
    /// [`StoreError::Slow`], or SQLite refused.
    pub async fn users(&self, after: &str, count: u32) -> Result<Vec<User>, StoreError> {
        let select = format!("SELECT {COLUMNS} FROM users WHERE name > ? ORDER BY name LIMIT ?");
        let reading = sqlx::query_as(&select)
            .bind(after)
            .bind(count)
            .fetch_all(&self.pool);
        let users = self.job(reading).await?;
        Ok(users)
    }

    /// Removes a user. False when there is none of that name.
    ///
    /// # Errors
    /// [`StoreError::Slow`], or SQLite refused.
    pub async fn remove_user(&self, name: &str) -> Result<bool, StoreError> {
        let removing = sqlx::query("DELETE FROM users WHERE name = ?")
            .bind(name)
            .execute(&self.pool);
        let removed = self.job(removing).await?;
        Ok(removed.rows_affected() > 0)
    }

    /// Names of guests whose time was over at `now`, the longest expired first, `count` at most.
    ///
    /// # Errors
    /// [`StoreError::Slow`], or SQLite refused.
    pub async fn expired_guests(&self, now: i64, count: u32) -> Result<Vec<String>, StoreError> {
        let reading = sqlx::query_scalar(
            "SELECT name FROM users WHERE expires_unix_s <= ?
             ORDER BY expires_unix_s, name LIMIT ?",
        )
        .bind(now)
        .bind(count)
        .fetch_all(&self.pool);
        let names = self.job(reading).await?;
        Ok(names)
    }

    /// Removes the guest if its time is still over at `now`: it may have been renewed since it was
    /// listed. Says whether it was removed.
    ///
    /// # Errors
    /// [`StoreError::Slow`], or SQLite refused.
    pub async fn remove_expired(&self, name: &str, now: i64) -> Result<bool, StoreError> {
        let removing = sqlx::query("DELETE FROM users WHERE name = ? AND expires_unix_s <= ?")
            .bind(name)
            .bind(now)
            .execute(&self.pool);
        let removed = self.job(removing).await?;
        Ok(removed.rows_affected() > 0)
    }
}
