/// The model in single precision, for frames that are not finite in half: what runs it is an `L`.
pub(crate) enum Single<L> {
    NotNeededYet,
    Loaded(Box<L>),
    /// The model is in single precision already.
    Same,
}

impl<L> Single<L> {
    /// What runs it; nothing if that would be no other than what has run. `load` makes it when it is first needed.
    ///
    /// # Errors
    /// Those of `load`.
    pub(crate) fn get<E>(
        &mut self,
        load: impl FnOnce() -> Result<Option<L>, E>,
    ) -> Result<Option<&mut L>, E> {
        if matches!(self, Self::NotNeededYet) {
            *self = load()?.map_or(Self::Same, |lane| Self::Loaded(Box::new(lane)));
        }
        Ok(match self {
            Self::Loaded(lane) => Some(lane),
            Self::NotNeededYet | Self::Same => None,
        })
    }
}
