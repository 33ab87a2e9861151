use rave_core::BoxError;
use rave_tensorrt::built_in_models;
use serde_json::json;

use crate::args::ModelsArgs;
use crate::{json, stdout, table};

pub fn run(args: &ModelsArgs) -> Result<u8, BoxError> {
    if args.json {
        let models = built_in_models().iter();
        let models: Vec<_> =
            models.map(|model| json!({ "name": model.name(), "description": model.description() })).collect();
        json::print(&json!({ "version": json::VERSION, "models": models }))?;
    } else {
        let rows: Vec<_> = built_in_models()
            .iter()
            .map(|model| vec![model.name().to_owned(), model.description().to_owned()])
            .collect();
        stdout::print(&table::aligned(&rows))?;
    }
    Ok(0)
}
