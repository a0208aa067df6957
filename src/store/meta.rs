//! What the installation knows about itself: one row per [`MetaKey`].

use super::{Store, StoreError};

/// The key of what is written to see whether that can be done.
const PROOF: &str = "proof";
/// Its length: a guest needs no more.
const PROOF_BYTES: i64 = 16_384;

/// Names of values of the installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaKey {
    /// The hash of the API key that was made at the first start.
    ApiKeyHash,
    /// The secret that signs tokens.
    TokenSecret,
}

impl MetaKey {
    fn name(self) -> &'static str {
        match self {
            MetaKey::ApiKeyHash => "api_key_hash",
            MetaKey::TokenSecret => "token_secret",
        }
    }
}

impl Store {
    /// The value of `key`; `fresh` becomes it when there is none yet. Says whether it did.
    ///
    /// # Errors
    /// [`StoreError::Slow`], or SQLite refused.
    pub async fn meta_or(&self, key: MetaKey, fresh: &[u8]) -> Result<(Vec<u8>, bool), StoreError> {
        self.job(async {
            let written = sqlx::query("INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)")
                .bind(key.name())
                .bind(fresh)
                .execute(&self.pool)
                .await?;
            let value = sqlx::query_scalar("SELECT value FROM meta WHERE key = ?")
                .bind(key.name())
                .fetch_one(&self.pool)
                .await?;
            Ok((value, written.rows_affected() > 0))
        })
        .await
    }

    /// Writes more than a page, so that new room is needed too, and deletes it.
    pub(super) async fn write_proof(&self) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("INSERT OR REPLACE INTO meta (key, value) VALUES (?, zeroblob(?))")
            .bind(PROOF)
            .bind(PROOF_BYTES)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM meta WHERE key = ?")
            .bind(PROOF)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }
}
