use std::fs::{create_dir, remove_file, rename, write};
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

const FILE: &str = "[pool.a]\nauth_file = \"SECRET\"\n";

/// A directory with a file, and a secret that the file names.
fn scene() -> (TempDir, PathBuf, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, secret) = (directory.path().join("nuthatch.toml"), directory.path().join("secret"));
    write(&file, FILE.replace("SECRET", &secret.display().to_string())).expect("written");
    write(&secret, "one").expect("written");
    (directory, file, secret)
}

/// Checks after each kind of change, and once more.
#[test]
fn every_way_in_which_a_file_changes() {
    type Way = fn(&Path, &Path);
    let ways: [(&str, Way); 7] = [
        ("rewritten in place", |file, _| write(file, "[pool.b]\n").unwrap()),
        ("renamed over", |file, _| {
            let new = file.with_extension("new");
            write(&new, std::fs::read(file).unwrap()).unwrap();
            rename(&new, file).unwrap();
        }),
        ("removed", |file, _| remove_file(file).unwrap()),
        ("half written", |file, _| write(file, "[pool.").unwrap()),
        ("its secret rewritten", |_, secret| write(secret, "another").unwrap()),
        ("its secret removed", |_, secret| remove_file(secret).unwrap()),
        ("its secret renamed over", |_, secret| {
            let new = secret.with_extension("new");
            write(&new, "two").unwrap();
            rename(&new, secret).unwrap();
        }),
    ];
    for (what, change) in ways {
        let (_directory, file, secret) = scene();
        let mut watched = Watched::begin(&file);
        assert!(!watched.look(), "{what}: nothing yet");
        change(&file, &secret);
        assert!(watched.look(), "{what}");
        assert!(!watched.look(), "{what}: told once");
    }
}

#[test]
fn links_swapped_as_kubernetes_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    for version in ["..1", "..2"] {
        create_dir(at(version)).unwrap();
        let content = FILE.replace("SECRET", &at("secret").display().to_string());
        write(at(version).join("nuthatch.toml"), content).unwrap();
        write(at(version).join("secret"), version).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/nuthatch.toml", at("nuthatch.toml")).unwrap();
    symlink("..data/secret", at("secret")).unwrap();
    let mut watched = Watched::begin(&at("nuthatch.toml"));
    assert!(!watched.look());
    symlink("..2", at("..data_tmp")).unwrap();
    rename(at("..data_tmp"), at("..data")).unwrap();
    assert!(watched.look());
    assert!(!watched.look());
}

#[test]
fn a_secret_that_is_named_only_now_or_comes_later() {
    let (directory, file, _) = scene();
    let later = directory.path().join("later");
    let mut watched = Watched::begin(&file);
    write(&file, FILE.replace("SECRET", &later.display().to_string())).unwrap();
    assert!(watched.look());
    assert!(!watched.look());
    write(&later, "secret").unwrap();
    assert!(watched.look(), "it has come");
    // While the file cannot be read, the files that it named are still watched.
    write(&file, "[pool.").unwrap();
    assert!(watched.look());
    write(&later, "another secret").unwrap();
    assert!(watched.look());
}

#[tokio::test]
async fn a_change_is_told_once_it_stands_still() {
    let (_directory, file, _) = scene();
    let (wish, wanted) = watch::channel(true);
    let (sender, mut changed) = mpsc::channel(1);
    let running = tokio::spawn(run(Watched::begin(&file), Duration::from_millis(1), wanted, sender));
    for n in 1..4 {
        write(&file, format!("[pool.{}]\n", "a".repeat(n))).unwrap();
        changed.recv().await.expect("told");
    }
    assert!(changed.try_recv().is_err());
    drop(changed);
    drop(wish);
    running.await.expect("it ends");
}
