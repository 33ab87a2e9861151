use super::Finding;

/// Lines of a file, tests included, above which it is worth splitting.
const LONG_LINES: usize = 400;
/// Lines of code without tests, comments and blank lines that no file may have.
const MOST_CODE_LINES: usize = 600;

// Written in pieces, so that this file passes its own check.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("#[ign", "ore"), "a test that does not run: delete it or make it run"),
    (concat!("TO", "DO"), "file an issue instead of a note in the code"),
    (concat!("FIX", "ME"), "file an issue instead of a note in the code"),
    (concat!("to", "do!("), "not implemented"),
    (concat!("unimpl", "emented!("), "not implemented"),
    (concat!("db", "g!("), "left from debugging"),
];

const FORBIDDEN_IN_TESTS: &[(&str, &str)] = &[(
    concat!("thread::sl", "eep"),
    "a test that sleeps is slow or fails by chance: wait for the event itself",
)];

/// Libraries never print, exit or read the environment: that is for the program that uses them.
const FORBIDDEN_IN_LIBRARIES: &[(&str, &str)] = &[
    (concat!("print", "ln!("), "a library does not print"),
    (concat!("process::", "exit("), "a library does not end the process"),
    (concat!("env::", "var"), "a library does not read the environment"),
];

/// Words that say nothing, in names of files and types.
const EMPTY_WORDS: &[&str] = &["manager", "helper", "utils", "util", "misc", "texture", "envelope", "engine"];

/// Everything that is checked about files of Rust, given as path and text.
pub fn check(sources: &[(String, String)]) -> Vec<Finding> {
    let test_modules: Vec<String> =
        sources.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    let is_test = |path: &String| path.split('/').any(|part| part == "tests") || test_modules.contains(path);
    let use_of = |path| if is_test(path) { Use::Test } else { Use::Product };
    sources.iter().flat_map(|(path, text)| check_file(path, text, use_of(path))).collect()
}

/// What a file is compiled into.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Use {
    Product,
    Test,
}

/// Paths of the modules that a file declares for tests only.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    let names =
        declared.filter_map(|pair| pair[1].strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name));
    names.map(|name| format!("{folder}/{name}.rs")).collect()
}

fn check_file(path: &str, text: &str, file_use: Use) -> Vec<Finding> {
    let mut findings = check_length(path, text, file_use);
    findings.extend(check_file_name(path));
    let mut line_use = file_use;
    for (index, line) in text.lines().enumerate() {
        let words = forbidden(path, line, line_use);
        let message = words.or_else(|| banner(line)).or_else(|| empty_type_name(line));
        findings.extend(message.map(|message| Finding::error(path, index + 1, message)));
        if line.starts_with("mod tests") {
            line_use = Use::Test;
        }
    }
    findings
}

fn is_library(path: &str) -> bool {
    path.starts_with("rave-") && !path.starts_with("rave-cli/") && path.contains("/src/")
}

fn check_length(path: &str, text: &str, file_use: Use) -> Vec<Finding> {
    let lines = text.lines().count();
    let code = if file_use == Use::Test { 0 } else { code_lines(text) };
    if code > MOST_CODE_LINES {
        return vec![Finding::error(
            path,
            0,
            format!("{code} lines of code, more than {MOST_CODE_LINES}: split it"),
        )];
    }
    if lines > LONG_LINES {
        return vec![Finding::warning(
            path,
            0,
            format!("{lines} lines ({code} of code), more than {LONG_LINES}"),
        )];
    }
    Vec::new()
}

/// Lines before the tests that are neither blank nor comments.
fn code_lines(text: &str) -> usize {
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("mod tests"));
    lines.filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

fn check_file_name(path: &str) -> Option<Finding> {
    let stem = path.rsplit('/').next()?.strip_suffix(".rs")?;
    let word = stem.split('_').find(|word| EMPTY_WORDS.contains(word))?;
    Some(Finding::error(path, 0, format!("a file name with \"{word}\" does not say what it holds")))
}

fn forbidden(path: &str, line: &str, line_use: Use) -> Option<String> {
    let in_tests = line_use == Use::Test;
    let in_library = !in_tests && is_library(path) && !line.trim_start().starts_with("//");
    let sets = [(FORBIDDEN, true), (FORBIDDEN_IN_TESTS, in_tests), (FORBIDDEN_IN_LIBRARIES, in_library)];
    let mut words = sets.iter().filter(|(_, applies)| *applies).flat_map(|(words, _)| *words);
    words.find(|(word, _)| line.contains(word)).map(|(word, reason)| format!("`{word}`: {reason}"))
}

/// A comment that only draws a line.
fn banner(line: &str) -> Option<String> {
    let comment = line.trim().strip_prefix("//")?.trim_start_matches(['/', '!', ' ']);
    let is_rule = ["====", "----", "****", "####", "~~~~"].iter().any(|rule| comment.starts_with(rule));
    (is_rule || line.trim().starts_with("////"))
        .then(|| "a banner: names and modules give the structure".into())
}

fn empty_type_name(line: &str) -> Option<String> {
    let mut words = line.split_whitespace().skip_while(|word| !matches!(*word, "struct" | "enum" | "trait"));
    let name = words.nth(1)?.split(|end: char| !end.is_alphanumeric()).next()?;
    let word = EMPTY_WORDS.iter().find(|word| name.to_lowercase().ends_with(**word))?;
    (name.starts_with(char::is_uppercase)).then(|| format!("`{name}`: \"{word}\" does not say what it does"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&[(path.to_string(), text.to_string())]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn forbidden_words_are_found_with_their_line() {
        for (word, _) in FORBIDDEN {
            let text = format!("fn a() {{}}\n// {word}\n");
            assert_eq!(found("rave-core/src/a.rs", &text).len(), 1, "{word}");
            assert!(found("rave-core/src/a.rs", &text)[0].starts_with("rave-core/src/a.rs:2: "), "{word}");
        }
    }

    #[test]
    fn sleep_is_refused_only_in_tests() {
        let sleep = FORBIDDEN_IN_TESTS[0].0;
        let text = format!("std::{sleep}(pause);\n");
        assert_eq!(found("rave-cli/src/a.rs", &text).len(), 0);
        assert_eq!(found("rave-cli/tests/a.rs", &text).len(), 1);
        assert_eq!(found("rave-cli/src/a.rs", &format!("#[cfg(test)]\nmod tests {{\n{text}}}\n")).len(), 1);
    }

    #[test]
    fn a_module_for_tests_only_is_a_test() {
        let print = format!("{}\"x\");\n", FORBIDDEN_IN_LIBRARIES[0].0);
        let library = |declaration: &str| ("rave-core/src/lib.rs".to_string(), declaration.to_string());
        let module = ("rave-core/src/emulator.rs".to_string(), print);
        assert_eq!(check(&[library("#[cfg(test)]\nmod emulator;\n"), module.clone()]), []);
        assert_eq!(check(&[library("mod emulator;\n"), module]).len(), 1);
    }

    #[test]
    fn libraries_do_not_print_but_programs_examples_and_tests_do() {
        let text = format!("{}\"x\");\n", FORBIDDEN_IN_LIBRARIES[0].0);
        assert_eq!(found("rave-core/src/a.rs", &text).len(), 1);
        for path in ["rave-cli/src/a.rs", "xtask/src/a.rs", "rave-core/examples/a.rs", "rave-core/tests/a.rs"]
        {
            assert_eq!(found(path, &text).len(), 0, "{path}");
        }
        assert_eq!(found("rave-core/src/a.rs", &format!("/// {text}")).len(), 0, "an example in the docs");
    }

    #[test]
    fn banners_are_found_and_tables_are_not() {
        for (line, expected) in [
            ("// ==== setup ====", true),
            ("    // ------------", true),
            ("////////////////", true),
            ("//! | a | b |", false),
            ("//! |---|---|", false),
            ("/// a -- b", false),
            ("let a = b; // why", false),
        ] {
            assert_eq!(banner(line).is_some(), expected, "{line}");
        }
    }

    #[test]
    fn empty_names_are_found() {
        assert_eq!(found("rave-core/src/frame_utils.rs", "").len(), 1);
        assert_eq!(found("rave-core/src/frame.rs", "").len(), 0);
        assert_eq!(found("rave-core/src/a.rs", concat!("pub struct Pool", "Manager<T> {\n")).len(), 1);
        assert_eq!(found("rave-core/src/a.rs", "pub struct Pool;\n").len(), 0);
    }

    #[test]
    fn length_counts_code_only() {
        let code = "let a = 1;\n".repeat(MOST_CODE_LINES + 1);
        assert!(found("a.rs", &code)[0].contains("split it"));
        let comments = "// why\n\n".repeat(MOST_CODE_LINES + 1);
        assert!(found("a.rs", &comments)[0].contains("warning"));
        let tests = format!("#[cfg(test)]\nmod tests {{\n{code}}}\n");
        assert!(found("a.rs", &tests)[0].contains("warning"));
        assert_eq!(found("a.rs", "let a = 1;\n").len(), 0);
    }
}
