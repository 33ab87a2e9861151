use rave_core::Code;

/// Wrong arguments; also what the argument parser exits with.
pub const USAGE: u8 = 2;

/// The output differs from its source.
pub const DIFFERENT: u8 = 7;

/// The exit status of an error: its class, since a status is one byte.
pub fn status(code: Code) -> u8 {
    match code {
        Code::SessionOptions | Code::EncoderOptions | Code::OptionInvalid => USAGE,
        Code::Cancelled => 130,
        Code::EncoderMissing | Code::EncodeFailed => 6,
        Code::VmafMissing => 5,
        Code::NotComparable => 3,
        _ => match code.number() {
            100..210 => 5,
            210..300 => 4,
            300..330 | 500..600 => 3,
            330..400 => 6,
            600..609 => 7,
            703 => 6,
            _ => 1,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_gives_every_code_with_its_exit_status() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors.md");
        let text = std::fs::read_to_string(path).unwrap();
        for &code in Code::ALL {
            let row = text.lines().find(|line| line.starts_with(&format!("| {} |", code.number())));
            let row = row.unwrap_or_else(|| panic!("{code} is not in docs/errors.md"));
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            assert!(cells.contains(&format!("`{}`", code.name()).as_str()), "{row}");
            assert!(
                cells.contains(&status(code).to_string().as_str()),
                "{code} exits with {}: {row}",
                status(code)
            );
        }
    }
}
