use std::path::Path;

use super::{Finding, read};
use crate::failure::Failure;

const SOURCE: &str = "rave-core/src/error.rs";
const PAGE: &str = "docs/errors.md";

/// `docs/errors.md` lists exactly the codes of `rave-core`, in the same words.
pub fn check(root: &Path) -> Result<Vec<Finding>, Failure> {
    let codes = codes_in_source(&read(root, SOURCE)?);
    if codes.is_empty() {
        return Ok(vec![Finding::error(SOURCE, 0, "no code was found: has the table another form now?")]);
    }
    if !root.join(PAGE).is_file() {
        return Ok(vec![Finding::error(PAGE, 0, "is missing")]);
    }
    Ok(compare(&codes, &codes_in_page(&read(root, PAGE)?)))
}

#[derive(Debug, PartialEq)]
struct Code {
    number: u16,
    name: String,
    meaning: String,
    line: usize,
}

impl Code {
    fn says_the_same(&self, other: &Code) -> bool {
        (self.number, &self.name, &self.meaning) == (other.number, &other.name, &other.meaning)
    }
}

/// Lines of the form `Variant = 101, "name", "Meaning.";`.
fn codes_in_source(text: &str) -> Vec<Code> {
    text.lines().enumerate().filter_map(|(index, line)| code_in_source(line, index + 1)).collect()
}

fn code_in_source(text: &str, line: usize) -> Option<Code> {
    let (variant, rest) = text.trim().split_once(" = ")?;
    let (number, rest) = rest.split_once(", \"")?;
    let (name, rest) = rest.split_once("\", \"")?;
    let meaning = rest.strip_suffix("\";")?;
    let is_variant = variant.chars().all(char::is_alphanumeric);
    is_variant.then_some(Code {
        number: number.parse().ok()?,
        name: name.into(),
        meaning: meaning.into(),
        line,
    })
}

/// Table rows of the form ``| 101 | `name` | Meaning. | ..``.
fn codes_in_page(text: &str) -> Vec<Code> {
    text.lines().enumerate().filter_map(|(index, line)| code_in_page(line, index + 1)).collect()
}

fn code_in_page(text: &str, line: usize) -> Option<Code> {
    let mut cells = text.strip_prefix('|')?.split('|').map(str::trim);
    let number = cells.next()?.parse().ok()?;
    let name = cells.next()?.trim_matches('`').to_string();
    Some(Code { number, name, meaning: cells.next()?.to_string(), line })
}

fn compare(source: &[Code], page: &[Code]) -> Vec<Finding> {
    let lacking = source.iter().filter(|code| !page.iter().any(|row| row.says_the_same(code)));
    let stale = page.iter().filter(|row| !source.iter().any(|code| code.says_the_same(row)));
    let lacking = lacking.map(|code| Finding::error(PAGE, 0, format!("lacks the row {}", row(code))));
    let stale = stale
        .map(|row| Finding::error(PAGE, row.line, format!("{} {} is not in {SOURCE}", row.number, row.name)));
    stale.chain(lacking).collect()
}

fn row(code: &Code) -> String {
    format!("| {} | `{}` | {} |", code.number, code.name, code.meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "codes! {\n    A = 101, \"a-b\", \"It failed.\";\n    B = 102, \"c\", \"It, too.\";\n}\n";

    #[test]
    fn both_tables_are_read() {
        let source = codes_in_source(TABLE);
        let code = Code { number: 101, name: "a-b".into(), meaning: "It failed.".into(), line: 2 };
        assert_eq!(source[0], code);
        assert_eq!(source.len(), 2);
        let page =
            codes_in_page("| number | name |\n|---|---|\n| 101 | `a-b` | It failed. | Try again. | 1 |\n");
        assert_eq!(page, [Code { line: 3, ..code }]);
    }

    #[test]
    fn lacking_and_stale_rows_are_found() {
        let page = codes_in_page("| 101 | `a-b` | It failed. | |\n| 103 | `d` | Gone. | |\n");
        let found: Vec<_> = compare(&codes_in_source(TABLE), &page).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "docs/errors.md:2: 103 d is not in rave-core/src/error.rs",
                "docs/errors.md: lacks the row | 102 | `c` | It, too. |"
            ]
        );
    }

    #[test]
    fn the_macro_itself_is_no_row() {
        assert_eq!(
            code_in_source(
                "($($variant:ident = $number:literal, $name:literal, $meaning:literal;)+) => {",
                1
            ),
            None
        );
        assert_eq!(code_in_source("$(#[doc = $meaning] $variant = $number,)+", 1), None);
    }
}
