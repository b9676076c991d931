//! Where a bench happens: the folder under the target folder, the certificate, the running origin.

use std::fs;
use std::path::{Path, PathBuf};

use super::certificate::{self, Certificate};
use super::product::{Product, Setup};
use super::row::{Door, Routes};
use super::running::RunningBackend;
use crate::failure::{Failure, While};
use crate::free_port::free_address;
use crate::workspace;

/// Everything that proxies share. The origin stops when this is dropped.
pub(crate) struct Place {
    folder: PathBuf,
    certificate: Certificate,
    backend: RunningBackend,
}

impl Place {
    /// Makes the folder and the certificate and starts the origin.
    pub(crate) fn prepare() -> Result<Self, Failure> {
        let folder = workspace::target().join("bench");
        fs::create_dir_all(&folder).while_doing(folder.display())?;
        let certificate = certificate::make(&folder)?;
        let backend = RunningBackend::start(&folder)?;
        Ok(Self { folder, certificate, backend })
    }

    /// The folder of the bench.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A setup on free ports in an empty folder of its own.
    pub(crate) fn setup(&self, product: Product, door: Door, routes: Routes) -> Result<Setup, Failure> {
        self.named_setup(&format!("{}-{routes}", product.name()), door, routes)
    }

    /// The same in a folder of this name.
    pub(crate) fn named_setup(&self, name: &str, door: Door, routes: Routes) -> Result<Setup, Failure> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).while_doing(folder.display())?;
        }
        fs::create_dir_all(&folder).while_doing(folder.display())?;
        Ok(Setup {
            door,
            routes,
            address: free_address()?,
            management: free_address()?,
            backend: self.backend.address,
            folder,
            certificate: self.certificate.clone(),
            identity: None,
            spans: false,
            header: None,
        })
    }
}
