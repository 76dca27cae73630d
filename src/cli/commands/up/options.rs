//! What was typed of the connection and the account, for another process.

use clap::ValueEnum;

use crate::cli::{args::Global, proxy_command::passed_on};

/// The options that another process is to have of those that were given to us.
pub(super) fn options(global: &Global) -> Vec<String> {
    let mut options = passed_on(global);
    if let Some(size) = global.payload_size {
        options.extend(["--payload-size".to_owned(), size.to_string()]);
    }
    let order = global.send_order.and_then(|order| order.to_possible_value());
    if let Some(order) = order {
        options.extend(["--send-order".to_owned(), order.get_name().to_owned()]);
    }
    options
}
