//! The file of choices: by adapter, driver and version of the library, for each class what was chosen and what was measured.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::owner::Owner;
use super::turn::Turn;
use crate::error::TuningError;

/// The file's name in its folder.
pub(super) const NAME: &str = "tuning.json";
/// What the file calls itself; a file of another number is written anew.
const FORMAT: u32 = 1;

/// What was found out about a class of places on an adapter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassTiming {
    /// The variant that was chosen; `default` for what the op launches where nobody names one.
    pub variant: String,
    /// Milliseconds of one run of each that was timed, the least of several rounds.
    #[serde(default)]
    pub milliseconds: BTreeMap<String, f64>,
    /// Variants that failed their check or the compiler, and how: they were not timed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, String>,
    /// Seconds after which the budget cut the timing short; the default was kept then, until a larger one is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_after: Option<f64>,
    /// A hash of the kernels it was chosen among.
    pub kernels: String,
}

impl ClassTiming {
    /// How many times faster than the default the chosen one was; `None` where one of them was not timed.
    ///
    /// ```
    /// use thalweg::device::gpu::ClassTiming;
    /// let milliseconds = [("default".to_owned(), 3.0), ("wide".to_owned(), 1.5)].into();
    /// let found = ClassTiming { variant: "wide".into(), milliseconds, ..ClassTiming::default() };
    /// assert_eq!(found.speedup(), Some(2.0));
    /// ```
    pub fn speedup(&self) -> Option<f64> {
        let of = |label: &str| self.milliseconds.get(label).copied();
        Some(of(super::DEFAULT)? / of(&self.variant)?)
    }

    /// Whether another budget should not change it.
    fn is_final(&self) -> bool {
        self.cut_after.is_none()
    }
}

#[derive(Serialize, Deserialize)]
struct Section {
    #[serde(flatten)]
    owner: Owner,
    classes: Classes,
}

pub(super) type Classes = BTreeMap<String, ClassTiming>;

#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    adapters: Vec<Section>,
}

impl File {
    fn empty() -> Self {
        Self { format: FORMAT, adapters: Vec::new() }
    }

    /// What is there; nothing where there is no file.
    fn read(path: &Path) -> Result<Self, TuningError> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::empty()),
            Err(error) => return Err(TuningError::Unreadable { path: path.into(), reason: error.to_string() }),
        };
        let damaged = |reason: String| TuningError::Damaged { path: path.into(), reason };
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        // The version first: another format may have other fields.
        let Version { format } = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if format != FORMAT {
            return Err(damaged(format!("its format is {format}, and {FORMAT} is known here")));
        }
        serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))
    }

    fn of(&mut self, owner: &Owner) -> &mut Classes {
        let place = self.adapters.iter().position(|s| s.owner == *owner).unwrap_or_else(|| {
            self.adapters.push(Section { owner: owner.clone(), classes: Classes::new() });
            self.adapters.len() - 1
        });
        &mut self.adapters[place].classes
    }

    /// Replaces the file as a whole, or leaves it: a reader never sees half of it.
    fn write(&self, path: &Path) -> Result<(), TuningError> {
        let write = || -> std::io::Result<()> {
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            let mut builder = tempfile::Builder::new();
            builder.prefix(".thalweg-");
            #[cfg(unix)]
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
            let mut file = builder.tempfile_in(folder)?;
            let text = serde_json::to_string_pretty(self)?;
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|error| TuningError::Unwritable { path: path.into(), reason: error.to_string() })
    }
}

/// The choices of an owner.
pub(super) fn load(path: &Path, owner: &Owner) -> Result<Classes, TuningError> {
    Ok(std::mem::take(File::read(path)?.of(owner)))
}

/// Adds what was found to what the file holds by now: a choice that another process has kept meanwhile stands, and so do those of
/// other classes. One process at a time.
pub(super) fn add(path: &Path, owner: &Owner, found: &Classes) -> Result<(), TuningError> {
    let _mine = Turn::take(path);
    let mut file = match File::read(path) {
        Err(TuningError::Damaged { .. }) => File::empty(),
        read => read?,
    };
    let classes = file.of(owner);
    for (class, new) in found {
        let stands = |old: &ClassTiming| old.is_final() && old.kernels == new.kernels;
        if !classes.get(class).is_some_and(stands) {
            classes.insert(class.clone(), new.clone());
        }
    }
    file.write(path)
}

/// Takes an owner's choices out of the file. One process at a time.
pub(super) fn forget(path: &Path, owner: &Owner) -> Result<(), TuningError> {
    // Where there is nothing to forget, nothing is made.
    if !path.exists() {
        return Ok(());
    }
    let _mine = Turn::take(path);
    let mut file = match File::read(path) {
        Err(TuningError::Damaged { .. }) => File::empty(),
        read => read?,
    };
    file.adapters.retain(|section| section.owner != *owner);
    file.write(path)
}

/// Where the file lies by default: the folder `THALWEG_CACHE` names, or `thalweg` in the system's folder of caches.
pub(super) fn place() -> Result<PathBuf, TuningError> {
    place_by(std::env::consts::OS, &|name| std::env::var_os(name)).map(|folder| folder.join(NAME))
}

fn place_by(os: &str, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<PathBuf, TuningError> {
    let set = |name: &str| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(folder) = set("THALWEG_CACHE") {
        return Ok(folder);
    }
    let (variables, found) = match os {
        "windows" => (vec!["THALWEG_CACHE", "LOCALAPPDATA"], set("LOCALAPPDATA")),
        "macos" => (vec!["THALWEG_CACHE", "HOME"], set("HOME").map(|home| home.join("Library/Caches"))),
        _ => {
            // A relative one counts for nothing, as the XDG specification has it.
            let named = set("XDG_CACHE_HOME").filter(|path| path.is_absolute());
            let found = named.or_else(|| set("HOME").map(|home| home.join(".cache")));
            (vec!["THALWEG_CACHE", "XDG_CACHE_HOME", "HOME"], found)
        }
    };
    found.map(|caches| caches.join("thalweg")).ok_or(TuningError::NoFolder { variables })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(driver: &str) -> Owner {
        Owner { adapter: "a".into(), backend: "vulkan".into(), driver: driver.into(), thalweg: "1".into() }
    }

    fn timing(variant: &str, kernels: &str, cut_after: Option<f64>) -> ClassTiming {
        let milliseconds = [("default".to_owned(), 0.1 + 0.2), (variant.to_owned(), 1e-3)].into();
        let refused = [("bad".to_owned(), "wrong".to_owned())].into();
        ClassTiming { variant: variant.into(), milliseconds, refused, cut_after, kernels: kernels.into() }
    }

    fn one(class: &str, timing: ClassTiming) -> Classes {
        [(class.to_owned(), timing)].into()
    }

    #[test]
    fn what_is_kept_comes_back_to_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        // Folders on the way are made.
        let path = folder.path().join("caches/thalweg").join(NAME);
        assert_eq!(load(&path, &owner("1")), Ok(Classes::new()));
        let found = one("c", timing("fast", "k", None));
        add(&path, &owner("1"), &found).unwrap();
        assert_eq!(load(&path, &owner("1")), Ok(found.clone()));
        assert_eq!(load(&path, &owner("2")), Ok(Classes::new()));
        add(&path, &owner("2"), &one("d", timing("slow", "k", None))).unwrap();
        assert_eq!(load(&path, &owner("1")), Ok(found));
        forget(&path, &owner("1")).unwrap();
        assert_eq!(load(&path, &owner("1")), Ok(Classes::new()));
        assert_eq!(load(&path, &owner("2")).unwrap().len(), 1);
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            2,
            "a stray file beside the choices and their lock"
        );
    }

    #[test]
    fn a_choice_kept_meanwhile_stands_unless_it_was_cut_short_or_of_other_kernels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let me = owner("1");
        let kept = |path: &Path| load(path, &me).unwrap()["c"].variant.clone();
        add(&path, &me, &one("c", timing("first", "k", Some(2.0)))).unwrap();
        add(&path, &me, &one("c", timing("second", "k", None))).unwrap();
        assert_eq!(kept(&path), "second");
        add(&path, &me, &one("c", timing("third", "k", None))).unwrap();
        assert_eq!(kept(&path), "second");
        add(&path, &me, &one("c", timing("fourth", "changed", None))).unwrap();
        assert_eq!(kept(&path), "fourth");
    }

    /// Handles of one process exclude each other as those of several do: the turn is a file.
    #[test]
    fn many_at_once_lose_nothing_and_see_no_half_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        const EACH: usize = 12;
        std::thread::scope(|scope| {
            let add = |me: usize| {
                let path = &path;
                move || {
                    for n in 0..EACH {
                        add(path, &owner("1"), &one(&format!("{me} {n}"), timing("fast", "k", None))).unwrap();
                        load(path, &owner("1")).unwrap();
                    }
                }
            };
            (0..4).for_each(|me| drop(scope.spawn(add(me))));
        });
        assert_eq!(load(&path, &owner("1")).unwrap().len(), 4 * EACH);
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            2,
            "a stray file beside the choices and their lock"
        );
    }

    #[test]
    fn damaged_and_foreign_files_are_named_and_rebuilt() {
        for text in ["", "{", "[1, 2]", "{\"format\": 7, \"adapters\": []}", "{\"format\": 1}", "\u{0}\u{1}"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(NAME);
            std::fs::write(&path, text).unwrap();
            let said = load(&path, &owner("1")).unwrap_err();
            assert!(matches!(&said, TuningError::Damaged { path: named, .. } if *named == path), "{text}: {said}");
            let found = one("c", timing("fast", "k", None));
            add(&path, &owner("1"), &found).unwrap();
            assert_eq!(load(&path, &owner("1")), Ok(found), "{text}");
        }
    }

    #[test]
    fn a_place_that_is_no_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let path = folder.path().join("file").join(NAME);
        let said = add(&path, &owner("1"), &one("c", timing("fast", "k", None))).unwrap_err();
        assert!(matches!(said, TuningError::Unwritable { .. } | TuningError::Unreadable { .. }), "{said}");
        let path = folder.path().join("folder").join(NAME);
        std::fs::create_dir_all(&path).unwrap();
        assert!(matches!(load(&path, &owner("1")), Err(TuningError::Unreadable { .. })));
    }

    #[test]
    fn the_folder_follows_the_system() {
        let by = |os: &str, set: &[(&str, &str)]| {
            let found = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
            place_by(os, &found)
        };
        let is = |path: &str| Ok(PathBuf::from(path));
        assert_eq!(by("linux", &[("HOME", "/h")]), is("/h/.cache/thalweg"));
        assert_eq!(by("linux", &[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), is("/x/thalweg"));
        assert_eq!(by("linux", &[("HOME", "/h"), ("XDG_CACHE_HOME", "x")]), is("/h/.cache/thalweg"));
        assert_eq!(by("macos", &[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), is("/h/Library/Caches/thalweg"));
        assert_eq!(by("windows", &[("LOCALAPPDATA", "/l")]), is("/l/thalweg"));
        for os in ["linux", "macos", "windows"] {
            assert_eq!(by(os, &[("THALWEG_CACHE", "here"), ("HOME", "/h"), ("LOCALAPPDATA", "/l")]), is("here"));
            let said = by(os, &[("THALWEG_CACHE", "")]).unwrap_err();
            assert!(said.to_string().contains("THALWEG_CACHE"), "{said}");
        }
    }
}
