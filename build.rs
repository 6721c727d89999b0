//! Lists the files of `shaders/` so that a new kernel needs no line anywhere.

use std::path::Path;
use std::{env, fs};

fn collect(dir: &Path, prefix: &str, table: &mut String) {
    let mut entries: Vec<_> =
        fs::read_dir(dir).expect("shaders/ is readable").map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, &format!("{prefix}{stem}/"), table);
        } else if path.extension().is_some_and(|e| e == "wgsl") {
            let absolute = path.canonicalize().expect("the file exists");
            table.push_str(&format!(
                "    ({:?}, include_str!({:?})),\n",
                format!("{prefix}{stem}"),
                absolute
            ));
        }
    }
}

fn main() {
    println!("cargo::rerun-if-changed=shaders");
    let mut table = String::from("&[\n");
    collect(Path::new("shaders"), "", &mut table);
    table.push(']');
    let out = Path::new(&env::var_os("OUT_DIR").unwrap()).join("shaders.rs");
    fs::write(out, table).expect("OUT_DIR is writable");
}
