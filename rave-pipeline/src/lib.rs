//! rave-pipeline.
