//! Files and folders to a node and from it, without a server there.
//!
//! ```text
//!   Download -- strands -- node_script ---- a session of commands, which the agent does not pace
//!      |           |           |
//!      |        coding         +---- script: copy.sh, send.py or send.pl or base64
//!      +-- part_file, or unpack -- landing
//!
//!   Upload ---- inlet ------+- a port session into a listener on the node: receive.py or receive.pl
//!      |                    +- or a terminal, where there is no such thing
//!      +-- pack
//! ```
//!
//! What comes is kept beside its place, in a part file or a folder of that name, until its SHA-256 is that
//! of the other side: nothing unfinished stands under its name. A file goes on where it was.

mod coding;
mod download;
mod event;
mod inlet;
mod landing;
mod merging;
mod node_path;
mod node_script;
mod pack;
mod part_file;
mod passing;
mod refusal;
mod script;
mod strands;
mod unpack;
mod upload;

pub use download::Download;
pub use event::{Copied, CopyEvent};
pub use upload::Upload;

pub(super) use node_path::NodePath;
