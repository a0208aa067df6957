//! Rooms that somebody has joined by HTTP. The first join makes a room; it goes with its last
//! guest.

use super::{Store, StoreError};

/// A room with the number of its guests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// What is in the invitation.
    pub id: String,
    /// When somebody first joined it.
    pub created_unix_s: i64,
    /// Guests that exist; they need not be in a call.
    pub guests: i64,
}

impl Store {
    /// Rooms after `after` by their ids, `count` at most.
    ///
    /// # Errors
    /// [`StoreError::Slow`], or SQLite refused.
    pub async fn rooms(&self, after: &str, count: u32) -> Result<Vec<Room>, StoreError> {
        let reading = sqlx::query_as(
            "SELECT id, created_unix_s,
                    (SELECT count(*) FROM users WHERE room = rooms.id) AS guests
             FROM rooms WHERE id > ? ORDER BY id LIMIT ?",
        )
        .bind(after)
        .bind(count)
        .fetch_all(&self.pool);
        let rows: Vec<(String, i64, i64)> = self.job(reading).await?;
        let room = |(id, created_unix_s, guests)| Room {
            id,
            created_unix_s,
            guests,
        };
        Ok(rows.into_iter().map(room).collect())
    }

    /// Forgets the rooms in which no guest is left. Gives how many those were.
    ///
    /// # Errors
    /// [`StoreError::Slow`], or SQLite refused.
    pub async fn remove_empty_rooms(&self) -> Result<u64, StoreError> {
        let removing = sqlx::query(
            "DELETE FROM rooms
             WHERE id NOT IN (SELECT room FROM users WHERE room IS NOT NULL)",
        )
        .execute(&self.pool);
        let removed = self.job(removing).await?;
        Ok(removed.rows_affected())
    }
}
