//! The device.
pub mod profile;
pub use profile::DeviceProfile;
