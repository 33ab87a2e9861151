use std::fs;
use std::path::Path;

use super::libraries::Needs;
use crate::failure::{Failure, OnPath};
use crate::setup::ONNXRUNTIME_VERSION;
use crate::workspace::Workspace;

/// Writes the folder's README, and the manual beside it.
pub fn write(workspace: &Workspace, folder: &Path, needs: &Needs) -> Result<(), Failure> {
    super::copy(&workspace.root.join("CHANGELOG.md"), &folder.join("CHANGELOG.md"))?;
    let docs = workspace.root.join("docs");
    for entry in fs::read_dir(&docs).on("read", &docs)? {
        let entry = entry.on("read", &docs)?;
        super::copy(&entry.path(), &folder.join("docs").join(entry.file_name()))?;
    }
    let path = folder.join("README.md");
    fs::write(&path, text(needs)).on("write", &path)
}

fn text(needs: &Needs) -> String {
    format!(
        "# RAVE {version}

AI video upscaling. Nothing needs to be installed and the folder may lie anywhere:

    bin/rave -i clip.mp4 -o clip-2x.mp4
    bin/rave --help

`docs/cli.md` has every flag, `docs/errors.md` every error code.

It runs on {arch} Linux with glibc {glibc} or newer and GCC's runtime libraries (libgcc_s, and libstdc++ with GLIBCXX_{libstdcxx}),
which nearly every system has. All else is here: ONNX Runtime {onnxruntime} for the CPU in `onnxruntime/`, FFmpeg and what it needs
in `lib/`. `LD_LIBRARY_PATH` has no influence on them. `ORT_DYLIB_PATH=FILE` takes another ONNX Runtime.

## Licences

RAVE itself is under the MIT licence or the Apache licence 2.0, at your choice.

`lib/` holds {count} libraries as Debian built them, unchanged. `licenses/packages.txt` says which package and version each is from,
`licenses/packages/` has those packages' copyright files, `licenses/common/` the licences that they name. Sources of every version
are at https://snapshot.debian.org. FFmpeg in Debian's configuration, x264 and x265 are under the GNU GPL, version 2 or later: whoever
passes on this folder as a whole does so under the GPL; since some of the libraries are under the Apache licence 2.0, under its version 3.

`licenses/onnxruntime/` has the licences of ONNX Runtime and of what is built into it; `licenses/crates.txt` and `licenses/crates/`
those of the Rust crates built into `bin/rave`; Rust's standard library is under the same two licences as RAVE.
",
        version = env!("CARGO_PKG_VERSION"),
        arch = std::env::consts::ARCH,
        glibc = needs.glibc,
        libstdcxx = needs.libstdcxx,
        onnxruntime = ONNXRUNTIME_VERSION,
        count = needs.libraries.len(),
    )
}
