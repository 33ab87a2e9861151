//! rave-tensorrt.
