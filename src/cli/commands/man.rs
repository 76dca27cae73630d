//! `ssmport man DIR`.

use std::{fs, io, path::Path};

use crate::cli::{
    args::ManArgs,
    failure::{Code, Failure},
    help::manual::{self, Page},
    output::Output,
};

pub(crate) fn write(arguments: &ManArgs, output: &Output) -> Result<(), Failure> {
    let Some(folder) = &arguments.folder else {
        let what = "no folder is named for the manual pages";
        return Err(Failure::new(Code::Usage, what)
            .next("`ssmport man ~/.local/share/man`, and then `man ssmport`"));
    };
    let pages = manual::pages();
    for page in &pages {
        let below = folder.join(format!("man{}", page.section));
        let path = below.join(page.file_name());
        write_page(&below, &path, page).map_err(|error| {
            Failure::local(format!("cannot write {}", path.display())).because(error)
        })?;
    }
    let shown = folder.display().to_string();
    let quoted = shlex::try_quote(&shown).unwrap_or_default();
    output.note(&format!("{} pages are in {shown}: man -M {quoted} ssmport", pages.len()));
    Ok(())
}

fn write_page(folder: &Path, path: &Path, page: &Page) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(path, &page.text)
}
