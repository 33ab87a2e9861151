/// Declares structs and, in tests, what is to be asserted of them, from one text.
///
/// A field is `name: type = "spelling"`, with `parts` after it where the spelling's fields belong to the struct as well, or a
/// bit field `name: integer = bits [getter, setter: position, width "spelling", ...]`.
macro_rules! structs {
    ($(
        $(#[$meta:meta])*
        $name:ident = $nv:literal {$(
            $field:ident: $ty:ty = $(bits [$(
                $get:ident, $set:ident: $position:literal, $width:literal $nv_bits:literal,
            )*])? $($nv_field:literal $($parts:ident)?)?,
        )*}
    )*) => {
        $(
            $(#[$meta])*
            #[doc = concat!("\n\n`", $nv, "`")]
            #[repr(C)]
            #[derive(Clone, Copy)]
            pub struct $name {$(
                $(#[doc = concat!("`", $nv_field, "`")])?
                $(#[doc = concat!("Bit fields:" $(, " `", $nv_bits, "`")*)])?
                pub $field: $ty,
            )*}

            #[allow(clippy::identity_op, reason = "a position of 0 is a position")]
            impl $name {$($($(
                #[doc = concat!("`", $nv_bits, "`")]
                pub const fn $get(&self) -> $ty {
                    (self.$field >> $position) & ((1 << $width) - 1)
                }

                #[doc = concat!("Sets `", $nv_bits, "` to the low bits of `value`.")]
                pub const fn $set(&mut self, value: $ty) {
                    let mask = ((1 << $width) - 1) << $position;
                    self.$field = (self.$field & !mask) | ((value << $position) & mask);
                }
            )*)?)*}

            impl Default for $name {
                fn default() -> Self {
                    // SAFETY: integers, pointers, optional functions, and arrays, structs and unions of these: all
                    // may be zero.
                    unsafe { core::mem::zeroed() }
                }
            }

            #[cfg(test)]
            impl $crate::sys::abi::Declared for $name {
                const NAME: &'static str = $nv;

                fn facts() -> Vec<$crate::sys::abi::Fact> {
                    use $crate::sys::abi::Fact;
                    let mut facts = Vec::new();
                    $(
                        let offset = core::mem::offset_of!($name, $field);
                        $($(facts.push(Fact::bits($nv_bits, offset, $position, $width));)*)?
                        $(
                            facts.push(Fact::bytes($nv_field, offset, size_of::<$ty>()));
                            $(facts.extend(Fact::$parts::<$ty>($nv_field, offset));)?
                        )?
                    )*
                    facts
                }
            }
        )*

        #[cfg(test)]
        pub(in crate::sys) fn declared_structs() -> Vec<$crate::sys::abi::Layout> {
            vec![$($crate::sys::abi::Layout::of::<$name>()),*]
        }
    };
}

/// Declares a union as [`structs`] declares a struct.
macro_rules! union {
    ($(#[$meta:meta])* $name:ident = $nv:literal {$($field:ident: $ty:ty = $nv_field:literal,)*}) => {
        $(#[$meta])*
        #[doc = concat!("\n\n`", $nv, "`")]
        #[repr(C)]
        #[derive(Clone, Copy)]
        pub union $name {$(
            #[doc = concat!("`", $nv_field, "`")]
            pub $field: $ty,
        )*}

        impl Default for $name {
            fn default() -> Self {
                // SAFETY: every member may be zero, as for the structs.
                unsafe { core::mem::zeroed() }
            }
        }

        #[cfg(test)]
        impl $crate::sys::abi::Declared for $name {
            const NAME: &'static str = $nv;

            fn facts() -> Vec<$crate::sys::abi::Fact> {
                use $crate::sys::abi::Fact;
                vec![$(Fact::bytes($nv_field, core::mem::offset_of!($name, $field), size_of::<$ty>())),*]
            }
        }
    };
}

/// Declares enumerations as newtypes with constants: `NAME = value "spelling"`.
macro_rules! codes {
    ($(
        $(#[$meta:meta])*
        $name:ident = $nv:literal {$($constant:ident = $value:literal $nv_value:literal,)*}
    )*) => {
        $(
            $(#[$meta])*
            #[doc = concat!("\n\n`", $nv, "`")]
            #[repr(transparent)]
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
            pub struct $name(pub u32);

            impl $name {
                $(
                    #[doc = concat!("`", $nv_value, "`")]
                    pub const $constant: Self = Self($value);
                )*

                /// NVIDIA's spelling; `None` for a value that SDK 12.2 does not name.
                pub const fn name(self) -> Option<&'static str> {
                    match self.0 {
                        $($value => Some($nv_value),)*
                        _ => None,
                    }
                }
            }
        )*

        #[cfg(test)]
        pub(in crate::sys) fn declared_codes() -> Vec<$crate::sys::abi::Codes> {
            vec![$(($nv, vec![$(($nv_value, $name::$constant.0)),*])),*]
        }
    };
}

/// Declares the functions that a library exports, as a struct of pointers that can be loaded.
macro_rules! exports {
    ($(#[$meta:meta])* $name:ident {$(
        $field:ident = $symbol:literal fn($($argument:ident: $ty:ty),*) -> $result:ty;
    )*}) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {$(
            #[doc = concat!("`", $symbol, "`")]
            pub $field: unsafe extern "system" fn($($argument: $ty),*) -> $result,
        )*}

        impl $name {
            /// Looks every function up; the error names the first that the library lacks.
            ///
            /// # Safety
            /// - `library` exports functions of these names with these signatures.
            /// - The result is used no longer than `library` lives.
            pub unsafe fn load(
                library: &libloading::Library,
            ) -> Result<Self, (&'static str, libloading::Error)> {
                Ok(Self {$(
                    // SAFETY: the caller vouches for signature and lifetime.
                    $field: *unsafe { library.get($symbol) }.map_err(|error| ($symbol, error))?,
                )*})
            }
        }
    };
}
