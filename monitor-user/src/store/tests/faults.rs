//! What is wrong is said by name, and nothing is written over.

use rusqlite::Connection;

use super::*;

fn error(directory: &Directory) -> String {
    let limits = Limits { patience: Duration::from_millis(10), ..Limits::default() };
    let error = Store::open(&directory.0, limits).err().expect("an error");
    error.to_string().replace(directory.0.to_str().unwrap(), "DIR")
}

/// A store with something in it, closed.
fn closed() -> Directory {
    let directory = Directory::new();
    let store = Store::open(&directory.0, Limits::default()).unwrap();
    wait(store.submit(vec![incoming("one", 1)])).unwrap();
    drop(store);
    directory
}

#[test]
fn two_servers_do_not_share_a_store() {
    let directory = Directory::new();
    let _store = Store::open(&directory.0, Limits::default()).unwrap();
    let said = error(&directory);
    assert!(said.starts_with("DIR is in use by another kpulse server"), "{said}");
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let directory = closed();
    let file = Connection::open(directory.0.join(FILE)).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    let said = error(&directory);
    assert!(said.starts_with("DIR/store.db has version 99 of its tables: this kpulse knows up to 2;"), "{said}");
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let directory = Directory::new();
    let file = Connection::open(directory.0.join(FILE)).unwrap();
    file.execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(file);
    assert_eq!(
        error(&directory),
        "DIR/store.db is a database of another program: give the store a directory of its own"
    );
}

#[test]
fn a_damaged_file_is_not_taken_for_an_empty_one() {
    let directory = closed();
    let path = directory.0.join(FILE);
    for damage in ["garbage, and more of it than a header has".repeat(100), "short".into()] {
        fs::write(&path, &damage).unwrap();
        let said = error(&directory);
        assert!(said.starts_with("DIR/store.db is damaged: file is not a database; restore a backup"), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), damage);
    }
    let directory = closed();
    let path = directory.0.join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let said = error(&directory);
    assert!(said.starts_with("DIR/store.db is damaged: "), "{said}");
}

#[test]
fn a_file_where_the_directory_should_be_is_named() {
    let directory = Directory::new();
    let path = directory.0.join("file");
    fs::write(&path, "").unwrap();
    let said = Store::open(&path.join("below"), Limits::default()).err().unwrap().to_string();
    assert!(said.contains("file/below cannot be made: "), "{said}");
}

#[test]
fn a_locked_database_takes_reports_again_when_it_is_free() {
    let limits = Limits { patience: Duration::from_millis(10), ..eager() };
    let place = Place::new(limits);
    place.submit("one", 1..=3);
    let other = Connection::open(place.directory.0.join(FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = wait(place.store().submit(vec![incoming("one", 4)]));
    assert!(matches!(&refused, Err(Unavailable::Failed(reason)) if reason.contains("locked")), "{refused:?}");
    assert!(place.store().status().trouble.is_some());
    assert_eq!(place.sequences("one"), [1, 2, 3], "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    place.submit("one", 3..=5);
    assert_eq!(place.sequences("one"), [1, 2, 3, 4, 5]);
    assert_eq!((place.store().status().trouble, place.store().status().failed), (None, 1));

    drop(other);
    let directory = closed();
    let other = Connection::open(directory.0.join(FILE)).unwrap();
    other.pragma_update(None, "locking_mode", "EXCLUSIVE").unwrap();
    other.execute_batch("BEGIN IMMEDIATE; CREATE TABLE t (a); COMMIT").unwrap();
    let said = error(&directory);
    assert!(said.starts_with("DIR/store.db is locked by another process"), "{said}");
}

#[test]
fn a_first_start_that_was_cut_off_is_begun_anew() {
    let directory = Directory::new();
    let file = Connection::open(directory.0.join(FILE)).unwrap();
    file.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)).unwrap();
    drop(file);
    Store::open(&directory.0, Limits::default()).unwrap();
}
