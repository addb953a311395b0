//! The configurations in examples/: each can be used as it stands.

use std::path::Path;

use crate::support::{run, text};

#[test]
fn every_example_passes_its_check() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let list = std::fs::read_to_string(examples.join("README.md")).expect("the list");
    let mut checked = 0;
    for entry in std::fs::read_dir(&examples).expect("examples").map(|entry| entry.expect("an entry")) {
        let name = entry.file_name().into_string().expect("text");
        assert!(
            name == "README.md" || list.contains(&format!("[{name}]({name})")),
            "{name} is not in the list"
        );
        if [".toml", ".yml", ".cfg"].iter().any(|kind| name.ends_with(kind)) {
            let output = run("nuthatch", &["check", "-c", &name], &examples);
            let said = text(&output.stdout);
            assert_eq!(said, format!("{name}: 0 errors, 0 warnings\n"));
            assert_eq!(output.status.code(), Some(0));
            checked += 1;
        }
    }
    assert!(checked >= 6, "{checked} examples only");
}
