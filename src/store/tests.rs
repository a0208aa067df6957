use std::os::unix::fs::PermissionsExt as _;

use super::*;

const MOST: u32 = 10;

fn user(name: &str, guest: Option<(&str, i64)>) -> User {
    User {
        name: name.to_owned(),
        display_name: format!("The {name}"),
        hashes: Hashes {
            realm: "talkpath".to_owned(),
            md5: "a".repeat(32),
            sha256: "b".repeat(64),
        },
        guest: guest.map(|(room, expires_unix_s)| Guest {
            room: room.to_owned(),
            login_expires_unix_s: expires_unix_s - 5,
            expires_unix_s,
        }),
        created_unix_s: 1000,
    }
}

async fn names(store: &Store) -> Vec<String> {
    let users = store.users("", 100).await.expect("reads");
    users.into_iter().map(|user| user.name).collect()
}

#[tokio::test]
async fn what_is_written_is_there_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = directory.path().join("a/b");
    let store = Store::open(&data_dir).await.expect("opens");
    let (alice, guest) = (user("alice", None), user("guest-1", Some(("1234", 2000))));
    for user in [&alice, &guest] {
        assert_eq!(store.add_user(user, MOST).await.expect("adds"), Added::Yes);
    }
    let secret = store.meta_or(MetaKey::TokenSecret, b"one").await;
    assert_eq!(secret.expect("writes"), (b"one".to_vec(), true));
    store.close().await;

    let store = Store::open(&data_dir).await.expect("opens again");
    assert_eq!(store.user("alice").await.expect("reads"), Some(alice));
    assert_eq!(store.user("guest-1").await.expect("reads"), Some(guest));
    let secret = store.meta_or(MetaKey::TokenSecret, b"two").await;
    assert_eq!(secret.expect("reads"), (b"one".to_vec(), false));
    let mode = std::fs::metadata(data_dir.join(FILE)).expect("is there");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn names_are_taken_once_and_each_kind_has_its_own_limit() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).await.expect("opens");
    for (user, most, added) in [
        (user("b", None), 1, Added::Yes),
        (user("b", None), 9, Added::Exists),
        (user("b", Some(("r1", 5))), 9, Added::Exists),
        (user("a", None), 1, Added::Full),
        (user("a", Some(("r1", 5))), 1, Added::Yes),
        (user("c", Some(("r2", 5))), 1, Added::Full),
    ] {
        assert_eq!(store.add_user(&user, most).await.expect("asks"), added);
    }
    assert_eq!(names(&store).await, ["a", "b"]);
    let second = store.users("a", 1).await.expect("reads");
    assert_eq!(second.len(), 1);
    assert_eq!(second[0].name, "b");
    // The refused guest has left no room behind.
    let rooms = store.rooms("", 9).await.expect("reads");
    assert_eq!(rooms.len(), 1);
    assert_eq!((rooms[0].id.as_str(), rooms[0].guests), ("r1", 1));
}

#[tokio::test]
async fn guests_expire_unless_renewed_and_take_empty_rooms_along() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).await.expect("opens");
    for user in [
        user("alice", None),
        user("g1", Some(("r1", 10))),
        user("g2", Some(("r2", 20))),
    ] {
        store.add_user(&user, MOST).await.expect("adds");
    }
    for (now, expired) in [(9, vec![]), (10, vec!["g1"]), (20, vec!["g1", "g2"])] {
        assert_eq!(store.expired_guests(now, 9).await.expect("reads"), expired);
    }
    for (renewed, done) in [
        (user("g1", Some(("r1", 30))), true),
        (user("g1", Some(("r2", 30))), false),
        (user("nobody", Some(("r1", 30))), false),
        (user("alice", Some(("r1", 30))), false),
        (user("g1", None), false),
    ] {
        assert_eq!(store.renew_guest(&renewed).await.expect("asks"), done);
    }
    for (name, removed) in [("g1", false), ("g2", true), ("alice", false), ("x", false)] {
        assert_eq!(store.remove_expired(name, 20).await.expect("asks"), removed);
    }
    assert_eq!(store.remove_empty_rooms().await.expect("removes"), 1);
    assert!(store.remove_user("g1").await.expect("removes"));
    assert!(!store.remove_user("g1").await.expect("asks"));
    assert_eq!(store.remove_empty_rooms().await.expect("removes"), 1);
    assert_eq!(names(&store).await, ["alice"]);
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused_in_words() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = async |name: &str, text: Option<&[u8]>| {
        let data_dir = directory.path().join(name);
        std::fs::create_dir(&data_dir).expect("a directory");
        if let Some(text) = text {
            std::fs::write(data_dir.join(FILE), text).expect("writes");
        }
        let error = Store::open(&data_dir)
            .await
            .map(|_| ())
            .expect_err("refused");
        error
            .to_string()
            .replace(&data_dir.display().to_string(), "D")
    };
    let garbage = b"SQLite format 4\0 ".repeat(400);
    assert_eq!(
        open("garbage", Some(&garbage)).await,
        "D/talkpath.db is not a talkpath database: file is not a database. Move it away to start \
         with an empty one"
    );

    let newer = directory.path().join("newer");
    let store = Store::open(&newer).await.expect("opens");
    sqlx::raw_sql("PRAGMA user_version = 99")
        .execute(&store.pool)
        .await
        .expect("sets");
    store.close().await;
    let error = Store::open(&newer).await.map(|_| ()).expect_err("refused");
    let known = MIGRATIONS.len();
    assert!(
        error
            .to_string()
            .contains(&format!("has schema 99, and this version knows {known} at")),
        "{error}"
    );

    let other = directory.path().join("other");
    let store = Store::open(&other).await.expect("opens");
    sqlx::raw_sql("PRAGMA user_version = 0")
        .execute(&store.pool)
        .await
        .expect("sets");
    store.close().await;
    let error = Store::open(&other).await.map(|_| ()).expect_err("refused");
    let text = error.to_string();
    assert!(
        text.contains("not a talkpath database: table users already exists"),
        "{text}"
    );
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    std::fs::write(&file, "").expect("writes");
    // Under a file nothing can be made, whoever runs the test.
    let error = Store::open(&file.join("data"))
        .await
        .map(|_| ())
        .expect_err("refused");
    let expected = format!("data_dir: cannot write in {}/data: ", file.display());
    assert!(error.to_string().starts_with(&expected), "{error}");
}

/// Runs a sentence on every connection there may be.
async fn everywhere(store: &Store, sentence: &str) {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        connections.push(store.pool.acquire().await.expect("a connection"));
    }
    for connection in &mut connections {
        let done = sqlx::raw_sql(sentence).execute(&mut **connection).await;
        done.expect("done");
    }
}

/// A full disk is a database that may not grow: SQLite says the same of both.
#[tokio::test]
async fn a_disk_that_cannot_be_written_costs_what_meets_it_and_nothing_after() {
    for (breaks, mends, trouble) in [
        (
            "PRAGMA max_page_count = 1",
            "PRAGMA max_page_count = 1000000",
            Trouble::Full,
        ),
        (
            "PRAGMA query_only = on",
            "PRAGMA query_only = off",
            Trouble::ReadOnly,
        ),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(directory.path()).await.expect("opens");
        let mut count = 0;
        let mut add = async || {
            count += 1;
            let mut user = user(&format!("g{count}"), None);
            // So much that it finds no room in what is there.
            user.display_name = "x".repeat(100_000);
            store.add_user(&user, 1000).await.map_err(|e| e.trouble())
        };
        assert_eq!(add().await, Ok(Added::Yes));
        assert_eq!(store.check().await, None);
        everywhere(&store, breaks).await;
        for _ in 0..3 * CONNECTIONS_MAX {
            assert_eq!(add().await, Err(Some(trouble)), "{trouble:?}");
        }
        assert_eq!(store.trouble(Instant::now()), Some(trouble));
        let failures = store.failures();
        assert_eq!(failures, u64::from(3 * CONNECTIONS_MAX), "{trouble:?}");
        // Reading goes on.
        assert_eq!(names(&store).await, ["g1"]);
        everywhere(&store, mends).await;
        for _ in 0..3 * CONNECTIONS_MAX {
            assert_eq!(add().await, Ok(Added::Yes), "{trouble:?}");
        }
        store.prove().await;
        assert_eq!(store.check().await, None);
        assert_eq!(store.failures(), failures);
    }
}

#[tokio::test]
async fn another_program_that_keeps_the_file_is_a_slow_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).await.expect("opens");
    let other = Store::open(directory.path()).await.expect("opens too");
    everywhere(&store, "PRAGMA busy_timeout = 10").await;
    let kept = other.pool.begin_with("BEGIN IMMEDIATE").await;
    let kept = kept.expect("begins");
    let added = store.add_user(&user("a", None), MOST).await;
    let trouble = added.expect_err("refused").trouble();
    assert_eq!(trouble, Some(Trouble::Slow));
    assert_eq!(store.check().await, Some(Trouble::Slow));
    kept.rollback().await.expect("gives it back");
    let added = store.add_user(&user("a", None), MOST).await;
    assert_eq!(added.expect("adds"), Added::Yes);
    store.prove().await;
    assert_eq!(store.check().await, None);
}

#[tokio::test]
async fn the_proof_leaves_nothing_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).await.expect("opens");
    for _ in 0..3 {
        store.prove().await;
    }
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM meta")
        .fetch_one(&store.pool)
        .await
        .expect("reads");
    assert_eq!(rows, 0);
}
