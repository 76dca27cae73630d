//! What is asked of the benchmark.

/// Its arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// What all that is random at the service follows from.
    pub seed: u64,
    /// MiB, each way, each time; where there is a rate, at most.
    pub mib: u64,
    /// Only the rows with this in their names.
    pub only: String,
}

impl Options {
    /// Reads the arguments behind the program's name.
    ///
    /// # Errors
    /// What is wrong with which of them.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { seed: 1, mib: 64, only: String::new() };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            // Cargo's own, to every benchmark.
            if word == "--bench" {
                continue;
            }
            if !matches!(&*word, "--seed" | "--mib" | "--only") {
                return Err(format!("{word}: no such argument; {USAGE}"));
            }
            let value = words.next().ok_or_else(|| format!("{word}: no value; {USAGE}"))?;
            let number = || match value.parse() {
                Ok(number) => Ok(number),
                Err(error) => Err(format!("{word} {value}: {error}; {USAGE}")),
            };
            match &*word {
                "--seed" => options.seed = number()?,
                "--mib" => options.mib = number()?,
                _ => options.only = value,
            }
        }
        if !(1..=MOST_MIB).contains(&options.mib) {
            return Err(format!("--mib {}: 1 to {MOST_MIB}; {USAGE}", options.mib));
        }
        Ok(options)
    }
}

const USAGE: &str = "usage: [--seed N] [--mib MIB] [--only PART-OF-A-ROW'S-NAME], for instance \
                     --only rate: lines with a rate, in three minutes";
/// The places of all bytes are kept in memory.
const MOST_MIB: u64 = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Options, String> {
        Options::parse(words.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_is_not_given_is_as_in_the_documents() {
        let default = Options { seed: 1, mib: 64, only: String::new() };
        assert_eq!(parse(""), Ok(default.clone()));
        assert_eq!(parse("--bench"), Ok(default));
        let given = Options { seed: 2, mib: 1, only: "cut".to_owned() };
        assert_eq!(parse("--seed 2 --mib 1 --only cut --bench"), Ok(given));
    }

    #[test]
    fn what_cannot_be_read_is_not_passed_over() {
        for (words, named) in [
            ("--seed abc", "--seed abc"),
            ("--seed -1", "--seed -1"),
            ("--seed", "--seed: no value"),
            ("--mib 0", "--mib 0"),
            ("--mib 1.5", "--mib 1.5"),
            ("--mib 99999999999", "--mib 99999999999"),
            ("--sede 1", "--sede"),
            ("7", "7: no such argument"),
        ] {
            let error = parse(words).expect_err(words);
            assert!(error.contains(named), "{words}: {error}");
        }
    }
}
