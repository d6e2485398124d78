//! The part of `.ci/install-vulkan` that writes into a machine's package sources, on made-up machines.
#![cfg(unix)]

use std::path::Path;
use std::process::Command;

/// A machine whose `/etc` has these files; returns what `add_backports` left in its new file, if it made one.
fn derived(files: &[(&str, &str)]) -> Option<String> {
    let root = tempfile::tempdir().unwrap();
    let sources = root.path().join("etc/apt/sources.list.d");
    std::fs::create_dir_all(&sources).unwrap();
    std::fs::write(root.path().join("etc/os-release"), "ID=debian\nVERSION_CODENAME=bookworm\n").unwrap();
    for (name, text) in files {
        std::fs::write(root.path().join("etc/apt").join(name), text).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/install-vulkan");
    let output = Command::new("bash")
        .args(["-c", "source \"$1\"; add_backports \"$2\"", "bash"])
        .arg(script)
        .arg(root.path())
        .output()
        .expect("bash is there: .ci/run is written in it");
    let said = String::from_utf8(output.stdout).unwrap();
    let made: Vec<String> = std::fs::read_dir(&sources)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("thalweg-"))
        .map(|path| {
            assert_eq!(said.trim(), path.to_str().unwrap(), "it says which file it made");
            std::fs::read_to_string(path).unwrap()
        })
        .collect();
    assert!(made.len() <= 1);
    made.into_iter().next()
}

#[test]
fn backports_is_derived_from_a_deb822_file() {
    let own = "Types: deb deb-src\n# a comment\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n\
               Components: main contrib\nSigned-By: /usr/share/keyrings/debian.gpg\n\n\
               Types: deb\nURIs: http://mirror.example/security\nSuites: bookworm-security\nComponents: main\n";
    let other = "deb https://third-party.example bookworm main\n";
    let found = derived(&[("sources.list.d/debian.sources", own), ("sources.list.d/a.list", other)]);
    let expected = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm-backports\n\
                    Components: main\nSigned-By: /usr/share/keyrings/debian.gpg\n";
    assert_eq!(found.unwrap().trim_end(), expected.trim_end());
}

#[test]
fn backports_is_derived_from_an_old_list() {
    let list = "# deb http://a.example bookworm main\ndeb-src http://mirror.example/debian bookworm main\n\
                deb [ arch=amd64 signed-by=/k ] http://mirror.example/debian  bookworm main contrib\n";
    let expected = "deb [ arch=amd64 signed-by=/k ] http://mirror.example/debian bookworm-backports main";
    assert_eq!(derived(&[("sources.list", list)]).unwrap().trim_end(), expected);
}

#[test]
fn backports_that_is_there_is_not_added_again() {
    let there =
        "deb http://mirror.example/debian bookworm main\ndeb http://mirror.example/debian bookworm-backports main\n";
    assert_eq!(derived(&[("sources.list", there)]), None);
}

#[test]
fn nothing_is_made_up_where_no_source_fits() {
    let disabled = "Types: deb\nEnabled: no\nURIs: http://a.example\nSuites: bookworm\nComponents: main\n";
    let other = "deb https://third-party.example bookworm stable\n";
    assert_eq!(derived(&[("sources.list.d/debian.sources", disabled), ("sources.list.d/a.list", other)]), None);
}
