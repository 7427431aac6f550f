//! A copy while there is writing.

use super::*;

#[test]
fn a_copy_has_all_that_was_there_and_is_a_store_itself() {
    let place = Place::new(eager());
    place.submit("one", 1..=3_000);
    place.rolled_up();
    let file = place.directory.0.join("copy");
    fs::write(&file, "something else").unwrap();
    let copied = thread::scope(|scope| {
        let copy = scope.spawn(|| backup(&place.directory.0, &file));
        let mut more = 3_001..;
        while !copy.is_finished() {
            place.submit("one", more.by_ref().take(50));
        }
        copy.join().unwrap().unwrap()
    });
    assert!((3_000..).contains(&copied.reports), "{copied:?}");
    assert_eq!((copied.nodes, copied.bytes), (1, fs::metadata(&file).unwrap().len()));
    let beside: Vec<_> = fs::read_dir(&place.directory.0).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(beside.iter().all(|name| !name.to_string_lossy().starts_with("copy.")), "{beside:?}");

    let other = Directory::new();
    fs::copy(&file, other.0.join(FILE)).unwrap();
    let store = Store::open(&other.0, Limits::default()).unwrap();
    let page = store.reader().reports("one", Resolution::Full, 0, u64::MAX, MOST).unwrap();
    let sequences: Vec<_> = page.items.iter().map(|stored| stored.decode().unwrap().sequence).collect();
    assert_eq!(sequences, (1..=copied.reports).collect::<Vec<_>>());
}

#[test]
fn a_copy_that_fails_leaves_what_was_there() {
    let (directory, file) = (Directory::new(), Directory::new().0.join("gone/copy"));
    assert!(matches!(backup(&directory.0, &file), Err(Error::Io { .. })));
    let file = directory.0.join("copy");
    fs::write(&file, "before").unwrap();
    assert!(matches!(backup(&directory.0, &file), Err(Error::Missing(_))));
    let store = Store::open(&directory.0, Limits::default()).unwrap();
    wait(store.submit((1..=2_000).map(|n| incoming("one", n)).collect())).unwrap();
    drop(store);
    // The page is not one of a table any more.
    let path = directory.0.join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let error = backup(&directory.0, &file).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "before");
    assert!(!directory.0.join("copy.new").exists());
}
