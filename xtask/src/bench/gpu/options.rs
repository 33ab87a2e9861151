use std::path::PathBuf;
use std::time::Duration;

use super::peer::Mode;
use crate::failure::Failure;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    Depths,
    Start,
    Sizes,
    Speed,
}

impl Part {
    /// The quick ones first.
    const ALL: [Self; 4] = [Self::Depths, Self::Start, Self::Sizes, Self::Speed];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Depths => "depths",
            Self::Start => "start",
            Self::Sizes => "sizes",
            Self::Speed => "speed",
        }
    }
}

/// The command line of `bench gpu`.
#[derive(Debug, PartialEq)]
pub struct Options {
    pub parts: Vec<Part>,
    /// The program; `None` builds it.
    pub rave: Option<PathBuf>,
    /// Files to upscale; none makes them.
    pub inputs: Vec<PathBuf>,
    /// Folders of files to upscale.
    pub clips: Vec<PathBuf>,
    /// Folders of ONNX files.
    pub models: Vec<PathBuf>,
    /// How the Python pipeline runs its network; none leaves it out.
    pub python: Vec<Mode>,
    /// A part of the names of the pairs of network and clip; empty for all.
    pub filter: String,
    pub rounds: usize,
    /// After which nothing is begun.
    pub budget: Option<Duration>,
}

/// `[PART..] [OPTIONS]`.
pub fn parse(words: &[&str]) -> Result<Options, Failure> {
    let mut options = Options {
        parts: Vec::new(),
        rave: None,
        inputs: Vec::new(),
        clips: Vec::new(),
        models: Vec::new(),
        python: Mode::ALL.to_vec(),
        filter: String::new(),
        rounds: 3,
        budget: None,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match Part::ALL.iter().find(|part| part.name() == *word) {
            Some(part) => options.parts.push(*part),
            None => options.take(word, words.next().copied())?,
        }
    }
    if options.parts.is_empty() {
        options.parts = Part::ALL.to_vec();
    }
    if options.rounds < 3 {
        return Err(Failure::Usage(format!("{} rounds: a median wants 3", options.rounds)));
    }
    Ok(options)
}

impl Options {
    fn take(&mut self, name: &str, value: Option<&str>) -> Result<(), Failure> {
        let value = || value.ok_or_else(|| Failure::Usage(format!("{name} wants a value")));
        match name {
            "--rave" => self.rave = Some(value()?.into()),
            "-i" => self.inputs.push(value()?.into()),
            "--clips" => self.clips.push(value()?.into()),
            "--models" => self.models.push(value()?.into()),
            "--python" => self.python = modes(value()?)?,
            "--filter" => self.filter = value()?.into(),
            "--rounds" => self.rounds = number(name, value()?)? as usize,
            "--budget" => self.budget = Some(Duration::from_secs(number(name, value()?)?.into())),
            _ => return Err(Failure::Usage(format!("bench gpu has no part and no option `{name}`"))),
        }
        Ok(())
    }

    /// Whether clips are given.
    pub fn has_clips(&self) -> bool {
        !(self.inputs.is_empty() && self.clips.is_empty())
    }
}

fn modes(text: &str) -> Result<Vec<Mode>, Failure> {
    match text {
        "off" => Ok(Vec::new()),
        "both" => Ok(Mode::ALL.to_vec()),
        _ => {
            let mode = Mode::ALL.into_iter().find(|mode| mode.name() == text);
            let mode = mode.ok_or_else(|| {
                Failure::Usage(format!("--python is eager, compiled, both or off, not `{text}`"))
            })?;
            Ok(vec![mode])
        }
    }
}

fn number(name: &str, value: &str) -> Result<u32, Failure> {
    let number = value.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| Failure::Usage(format!("{name} wants a whole number above 0, not `{value}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_options_mix() {
        let options = parse(&["speed", "-i", "a.mp4", "--rounds", "5", "start", "--budget", "60"]).unwrap();
        assert_eq!(options.parts, [Part::Speed, Part::Start]);
        assert_eq!((options.inputs, options.rounds), (vec![PathBuf::from("a.mp4")], 5));
        assert_eq!(options.budget, Some(Duration::from_secs(60)));
        assert_eq!(parse(&[]).unwrap().parts, Part::ALL);
        assert_eq!(parse(&["--python", "eager"]).unwrap().python, [Mode::Eager]);
        assert!(parse(&["--python", "off"]).unwrap().python.is_empty());
    }

    #[test]
    fn what_is_not_understood_is_a_usage_error() {
        for words in [
            &["fast"][..],
            &["--rounds", "2"],
            &["--budget", "0"],
            &["-i"],
            &["--budget", "x"],
            &["--python", "fast"],
        ] {
            assert!(matches!(parse(words), Err(Failure::Usage(_))), "{words:?}");
        }
    }
}
