use super::Finding;

/// Every relative link of the Markdown pages leads to a file, and its anchor to a heading.
pub fn check(pages: &[(String, String)], files: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in pages {
        for (line, target) in links(text) {
            let problem = problem(path, &target, pages, files);
            findings.extend(
                problem.map(|problem| Finding::error(path, line, format!("link to {target}: {problem}"))),
            );
        }
    }
    findings
}

/// Line and target of every inline link outside code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            found.extend(targets.map(|(target, _)| (index + 1, target.to_string())));
        }
    }
    found
}

fn problem(from: &str, target: &str, pages: &[(String, String)], files: &[String]) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let Some(path) = resolve(from, file) else { return Some("it leads out of the repository") };
    let folder = format!("{path}/");
    if !files.iter().any(|known| *known == path || known.starts_with(&folder)) {
        return Some("there is no such file");
    }
    let page = pages.iter().find(|(page, _)| *page == path);
    let is_anchor_known =
        anchor.is_empty() || page.is_none_or(|(_, text)| anchors(text).any(|known| known == anchor));
    (!is_anchor_known).then_some("there is no such heading")
}

/// The path of a link's file, relative to the root; an empty link means the page itself.
fn resolve(from: &str, file: &str) -> Option<String> {
    if file.is_empty() {
        return Some(from.to_string());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Headings as GitHub names them in links.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings.map(|heading| {
        let kept = heading.chars().filter(|kept| kept.is_alphanumeric() || matches!(kept, ' ' | '-' | '_'));
        kept.flat_map(char::to_lowercase).map(|kept| if kept == ' ' { '-' } else { kept }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_resolve_from_their_page() {
        for (from, file, expected) in [
            ("README.md", "docs/cli.md", Some("docs/cli.md")),
            ("docs/a.md", "cli.md", Some("docs/cli.md")),
            ("docs/a.md", "../README.md", Some("README.md")),
            ("docs/a.md", "", Some("docs/a.md")),
            ("README.md", "../design.md", None),
        ] {
            assert_eq!(resolve(from, file).as_deref(), expected, "{from} -> {file}");
        }
    }

    #[test]
    fn dead_links_and_anchors_are_found() {
        let text = "# What it is\n[a](b.md) [c](#what-it-is) [d](#no) [e](https://x.org/y)\n```\n[f](g.md)\n```\n[h](src)\n";
        let pages = [("a.md".to_string(), text.to_string())];
        let files = ["a.md".to_string(), "src/main.rs".to_string()];
        let found: Vec<_> = check(&pages, &files).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            ["a.md:2: link to b.md: there is no such file", "a.md:2: link to #no: there is no such heading"]
        );
    }

    #[test]
    fn headings_become_anchors() {
        let found: Vec<_> = anchors("# The `rave` program, in short\ntext\n## Exit codes\n").collect();
        assert_eq!(found, ["the-rave-program-in-short", "exit-codes"]);
    }
}
