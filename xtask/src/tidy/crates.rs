use serde_json::Value;

use super::Finding;

/// Which crates of the workspace a crate may use. What a permitted crate uses is permitted too, but for `rave-core` and
/// the leaves, which are named in full.
const EDGES: &[(&str, &[&str])] = &[
    ("rave-core", &[]),
    ("rave-cuda", &["rave-core"]),
    ("rave-nvcodec", &["rave-core", "rave-cuda"]),
    ("rave-tensorrt", &["rave-core", "rave-cuda"]),
    ("rave-ffmpeg", &["rave-core"]),
    ("rave-pipeline", &["rave-core", "rave-cuda", "rave-ffmpeg", "rave-nvcodec", "rave-tensorrt"]),
    (
        "rave-cli",
        &["rave-core", "rave-cuda", "rave-ffmpeg", "rave-nvcodec", "rave-pipeline", "rave-tensorrt"],
    ),
    ("xtask", &[]),
];

/// The chain builds on `rave-core` alone: everything else of `rave-pipeline` belongs to a feature.
const REQUIRED_BY_PIPELINE: &[&str] = &["rave-core"];

/// All that `rave-core` may use: no vendor's crate.
const USED_BY_CORE: &[&str] = &["bytemuck", "half", "thiserror"];

/// Crates that only some may use.
const OWNERS: &[(&str, &[&str])] = &[
    ("clap", &["rave-cli"]),
    ("cudarc", &["rave-cuda", "rave-nvcodec", "rave-tensorrt"]),
    ("ffmpeg-next", &["rave-ffmpeg"]),
    ("ffmpeg-sys-next", &["rave-ffmpeg"]),
    ("indicatif", &["rave-cli"]),
    ("ort", &["rave-tensorrt"]),
    ("signal-hook", &["rave-cli"]),
    ("tracing-subscriber", &["rave-cli"]),
];

/// What crates.io and docs.rs show of a crate.
const METADATA: &[&str] =
    &["description", "license", "readme", "keywords", "categories", "authors", "rust_version"];

/// The edges between crates, and that each could be published. `packages` is that of `cargo metadata`.
pub fn check(packages: &[Value], files: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let manifest = format!("{name}/Cargo.toml");
        let refusals = dependencies(package).filter_map(|dependency| refusal(name, &dependency));
        findings.extend(refusals.map(|message| Finding::error(&manifest, 0, message)));
        if package["publish"].is_null() {
            findings.extend(check_metadata(package, &manifest));
            findings.extend(check_readme(name, files));
        }
    }
    findings
}

/// A dependency of the built crate; those of its tests do not count.
struct Dependency {
    name: String,
    is_optional: bool,
}

fn dependencies(package: &Value) -> impl Iterator<Item = Dependency> {
    let all = package["dependencies"].as_array().into_iter().flatten();
    all.filter(|dependency| dependency["kind"].as_str() != Some("dev")).map(|dependency| Dependency {
        name: dependency["name"].as_str().unwrap_or_default().to_string(),
        is_optional: dependency["optional"].as_bool() == Some(true),
    })
}

/// Why `user` may not have this dependency.
fn refusal(user: &str, dependency: &Dependency) -> Option<String> {
    let used = dependency.name.as_str();
    if used.starts_with("rave-") {
        return edge_refusal(user, dependency);
    }
    if user == "rave-core" && !USED_BY_CORE.contains(&used) {
        return Some(format!("rave-core may not use {used}: only {}", USED_BY_CORE.join(", ")));
    }
    let (_, owners) = OWNERS.iter().find(|(name, _)| *name == used)?;
    (!owners.contains(&user)).then(|| format!("{user} may not use {used}: only {}", owners.join(", ")))
}

fn edge_refusal(user: &str, dependency: &Dependency) -> Option<String> {
    let used = dependency.name.as_str();
    let Some((_, permitted)) = EDGES.iter().find(|(name, _)| *name == user) else {
        return Some(format!("{user} has no place among the layers: add it to tidy's table"));
    };
    if !permitted.contains(&used) {
        return Some(format!("{user} may not use {used}: it is not below it"));
    }
    let must_be_optional = user == "rave-pipeline" && !REQUIRED_BY_PIPELINE.contains(&used);
    (must_be_optional && !dependency.is_optional)
        .then(|| format!("{user} may use {used} only behind a feature: the chain builds on rave-core alone"))
}

fn check_metadata<'a>(package: &'a Value, manifest: &'a str) -> impl Iterator<Item = Finding> + 'a {
    let is_absent = |field: &str| match &package[field] {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    };
    let absent = METADATA.iter().filter(move |field| is_absent(field));
    absent.map(move |field| Finding::error(manifest, 0, format!("`{field}` is missing")))
}

fn check_readme(name: &str, files: &[String]) -> Option<Finding> {
    let path = format!("{name}/README.md");
    (!files.contains(&path)).then(|| Finding::error(&path, 0, "is missing"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dependency(name: &str) -> Dependency {
        Dependency { name: name.into(), is_optional: false }
    }

    #[test]
    fn edges_go_down_only() {
        for (user, used, is_permitted) in [
            ("rave-cli", "rave-pipeline", true),
            ("rave-ffmpeg", "rave-core", true),
            ("rave-pipeline", "rave-core", true),
            ("rave-pipeline", "rave-ffmpeg", false),
            ("rave-core", "rave-ffmpeg", false),
            ("rave-ffmpeg", "rave-tensorrt", false),
            ("rave-tensorrt", "rave-pipeline", false),
            ("rave-new", "rave-core", false),
            ("xtask", "rave-ffmpeg", false),
        ] {
            assert_eq!(refusal(user, &dependency(used)).is_none(), is_permitted, "{user} -> {used}");
        }
        let optional = Dependency { name: "rave-ffmpeg".into(), is_optional: true };
        assert_eq!(refusal("rave-pipeline", &optional), None);
    }

    #[test]
    fn vendors_stay_with_their_owner() {
        for (user, used, is_permitted) in [
            ("rave-tensorrt", "ort", true),
            ("rave-pipeline", "ort", false),
            ("rave-core", "half", true),
            ("rave-core", "serde", false),
            ("rave-ffmpeg", "tracing", true),
        ] {
            assert_eq!(refusal(user, &dependency(used)).is_none(), is_permitted, "{user} -> {used}");
        }
    }

    #[test]
    fn development_dependencies_do_not_count() {
        let package = json!({ "dependencies": [
            { "name": "ort", "kind": null, "optional": true }, { "name": "tempfile", "kind": "dev", "optional": false },
        ] });
        let names: Vec<_> = dependencies(&package).map(|found| (found.name, found.is_optional)).collect();
        assert_eq!(names, [("ort".to_string(), true)]);
    }

    #[test]
    fn missing_metadata_is_named() {
        let package = json!({ "name": "rave-x", "publish": null, "license": "MIT", "readme": "README.md",
            "keywords": ["video"], "categories": [], "authors": ["a"], "rust_version": "1.92", "description": null });
        let found: Vec<_> =
            check(&[package], &["rave-x/README.md".into()]).iter().map(ToString::to_string).collect();
        let expected =
            ["rave-x/Cargo.toml: `description` is missing", "rave-x/Cargo.toml: `categories` is missing"];
        assert_eq!(found, expected);
    }
}
