//! The shader files and how constants are filled into them.
//!
//! Every file of `shaders/` is valid WGSL by itself. A line `const NAME: type = value;` at its top level may get another
//! value; a line `//!import lib/name` is replaced by that file.

/// All files of `shaders/`: name without extension, text.
pub static SHADERS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shaders.rs"));

/// The text of a shader file with its imports.
///
/// # Panics
/// If there is no such file: names are written in the code, not by users.
pub fn source(name: &str) -> String {
    let text = SHADERS
        .iter()
        .find(|(file, _)| *file == name)
        .unwrap_or_else(|| panic!("there is no shaders/{name}.wgsl"))
        .1;
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        match line.strip_prefix("//!import ") {
            Some(import) => out.push_str(&source(import.trim())),
            None => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

/// The text of a shader with constants set to the given literals.
///
/// # Panics
/// If the shader has no constant of a given name.
pub fn specialize(name: &str, consts: &[(&str, String)]) -> String {
    let mut used = vec![false; consts.len()];
    let mut out = String::new();
    for line in source(name).lines() {
        let declared = line.strip_prefix("const ").and_then(|rest| rest.split_once(':'));
        let set = declared.and_then(|(key, rest)| {
            let at = consts.iter().position(|(name, _)| *name == key.trim())?;
            let (kind, _) = rest.split_once('=')?;
            Some((at, key.trim(), kind.trim()))
        });
        match set {
            Some((at, key, kind)) => {
                used[at] = true;
                out.push_str(&format!("const {key}: {kind} = {};", consts[at].1));
            }
            None => out.push_str(line),
        }
        out.push('\n');
    }
    if let Some(at) = used.iter().position(|u| !u) {
        panic!("shaders/{name}.wgsl has no constant {}", consts[at].0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_replaced_by_name() {
        let text = specialize("fill", &[("COUNT", "7u".into())]);
        assert!(text.contains("const COUNT: u32 = 7u;") && text.contains("const BITS: u32 = 0u;"));
    }

    #[test]
    #[should_panic(expected = "has no constant NOPE")]
    fn an_unknown_constant_is_a_bug() {
        specialize("fill", &[("NOPE", "7u".into())]);
    }
}
