//! The room `optim`: update rules, pure arithmetic of one element.
//!
//! All parameters of a model are one flat buffer, each tensor padded to a multiple of 64 elements; so are the gradients
//! and each state of the rule. One fused launch updates them all. A rule says what happens to one element, twice: in
//! Rust for `f32` and `f64` ([`Rule::update`]) and in WGSL for four elements at once ([`Rule::source`]).
//!
//! The same name means different arithmetic in different libraries, so each rule carries its [`Convention`].
//! To add a rule, write the file, its shader at the mirrored path, and one name in `rules!`; the suite reads [`ALL`].
//!
//! | rule | formula of the `pytorch` convention | states | bytes a parameter |
//! |---|---|---|---|
//! | [`Sgd`] | `p −= ηg` | | 12 |
//! | [`Momentum`] | `b = μb + (1−τ)g; p −= ηb` | `momentum_buffer` | 20 |
//! | [`Nesterov`] | `b = μb + g; p −= η(g + μb)` | `momentum_buffer` | 20 |
//! | [`Adagrad`] | `c += g²; p −= ηg/((1+(t−1)κ)(√c + ε))` | `sum` | 20 |
//! | [`RmsProp`] | `v = ρv + (1−ρ)g²; p −= ηg/(√v + ε)` | `square_avg`, … | 20–36 |
//! | [`Adadelta`] | `p −= η√(d + ε)/√(v + ε)·g` | `square_avg`, `acc_delta` | 28 |
//! | [`Adam`] | `p −= η m̂/(√v̂ + ε)` | `exp_avg`, `exp_avg_sq` | 28 |
//! | [`AmsGrad`] | `u = max(u, v); p −= η m̂/(√(u/(1−β₂ᵗ)) + ε)` | `exp_avg`, `exp_avg_sq`, `max_exp_avg_sq` | 36 |
//! | [`AdamW`] | `p −= ηλp; p −= η m̂/(√v̂ + ε)` | `exp_avg`, `exp_avg_sq` | 28 |
//! | [`Adamax`] | `u = max(β₂u, |g| + ε); p −= η m̂/u` | `exp_avg`, `exp_inf` | 28 |
//! | [`Nadam`] | Adam, m̂ a step ahead | `exp_avg`, `exp_avg_sq` | 28 |
//! | [`RAdam`] | `p −= η r m̂/(√v̂ + ε)`, at first `p −= η m̂` | `exp_avg`, `exp_avg_sq` | 28 |
//! | [`Lion`] | `p −= ηλp + η sign(β₁m + (1−β₁)g)` (optax) | `exp_avg` | 20 |
//! | [`Lamb`] | `u = m̂/(√v̂ + ε) + λp; p −= η‖p‖/‖u‖·u` (optax) | `exp_avg`, `exp_avg_sq` | 28 and a pass |
//! | [`Adafactor`] | `p −= ρ max(ε₂, RMS(p)) u / max(1, RMS(u)/d)` | a row and a column | – |
//! | [`Muon`] | matrices: `p −= η s NS(m)`, the rest AdamW's | `momentum_buffer` | – |
//!
//! Each is there in the conventions that define it: [`Convention`] says whose they are, the page of each rule in what they
//! differ. A weight decay λ is added to the gradient by PyTorch (and by Optax's Adadelta), taken from the parameter by Keras and
//! by every AdamW; CS231n, the other papers and Optax's other rules have none.
//!
//! | rule | cs231n | paper | keras | optax | pytorch |
//! |---|---|---|---|---|---|
//! | `sgd` | yes | | yes | yes | yes |
//! | `momentum`, `nesterov`, `adagrad`, `rmsprop`, `adadelta`, `adam` | yes | yes | yes | yes | yes |
//! | `amsgrad`, `adamw` | | yes | yes | yes | yes |
//!
//! # Examples
//!
//! ```
//! use thalweg::optim::{DynRule, Optimizer};
//!
//! let optimizer: Optimizer = toml::from_str("name = 'momentum'\nlearning_rate = 0.5\nmomentum = 0.5")?;
//! let rule = optimizer.rule();
//! let (mut p, mut b) = ([1.0], [0.0]);
//! for step in 1..=2 {
//!     let hyper = rule.hyper(step, rule.learning_rate());
//!     rule.update_f64(&hyper, &[1.0], &mut p, &mut [&mut b]);
//! }
//! assert_eq!(b, [1.5]); // 1, then ½·1 + 1
//! assert_eq!(p, [-0.25]); // 1 − ½·1 − ½·1.5
//! # Ok::<(), toml::de::Error>(())
//! ```

mod clip;
mod convention;
mod dynamic;
mod fields;
mod layout;
mod link;
mod optimizer;
mod rule;
pub mod second;
mod storage;
mod tensor;

pub use clip::Clip;
pub use convention::Convention;
pub use dynamic::DynRule;
pub use fields::{Configurable, Field, FieldValue};
pub use layout::{
    ACTIVE, BLOCK, Block, CONTROL_HEADER, FROZEN, HYPER_WORDS, MAX_GROUPS, MAX_STATES, MAX_TENSORS, NO_FLAG,
    STEP_WORDS, Span, Tables, WORK_WORDS,
};
pub(crate) use link::link_gradients;
pub use link::{Lanes, link, link_apply, link_tensors};
pub use optimizer::Entry;
pub use rule::{Hyper, Rule, bytes_per_parameter, hyper};
pub use storage::Storage;
pub use tensor::{Operands, TensorRule, Transformed};

macro_rules! rules {
    ($($module:ident :: $first:ident),* $(,)?; $($second:ident),* $(,)?) => {
        $(mod $module; pub use $module::$first;)*
        $(use second::$second;)*

        /// Every rule of one element: what the suite, the benches and the docs go through.
        pub const ALL: &[Entry] = &[$(rules!(entry $first)),*];
        /// The [second-order](second) optimizers.
        pub const SECOND: &[Entry] = &[$(rules!(entry $second)),*];

        rules!(enum $($first),*, $($second),*);
    };
    (entry $rule:ident) => {
        Entry {
            name: <$rule as Configurable>::NAME,
            conventions: <$rule as Configurable>::CONVENTIONS,
            defaults: |convention| Optimizer::$rule(<$rule as Configurable>::defaults(convention)),
        }
    };
    (enum $($rule:ident),*) => {
        /// One of the library's rules with its numbers: the `[optimizer]` table of a run.
        ///
        /// Reads `name`, `convention` (default: the last of its [`Entry::conventions`], `"pytorch"` where there is one) and the rule's own fields; fields left out have the
        /// convention's defaults. Writing it gives all of them. [`Optimizer::from_table`] keeps the typed error.
        ///
        /// # Examples
        ///
        /// ```
        /// use thalweg::optim::{DynRule, Optimizer};
        ///
        /// let adam: Optimizer = toml::from_str("name = 'adam'\nbeta1 = 0.5")?;
        /// assert_eq!(adam.rule().learning_rate(), 1e-3);
        /// assert_eq!(adam.rule().states(), ["exp_avg", "exp_avg_sq"]);
        ///
        /// let error = toml::from_str::<Optimizer>("name = 'adam'\nbeta3 = 0.5").unwrap_err();
        /// assert!(error.to_string().contains("no field `beta3` (did you mean `beta1`?)"));
        /// # Ok::<(), toml::de::Error>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "toml::Table", into = "toml::Table")]
        #[non_exhaustive]
        pub enum Optimizer {
            $(#[doc = concat!("[`", stringify!($rule), "`]")] $rule($rule)),*
        }

        impl Optimizer {
            /// The arithmetic.
            pub fn rule(&self) -> &dyn DynRule {
                match self { $(Self::$rule(rule) => rule),* }
            }

            /// The arithmetic, on its own.
            pub fn into_rule(self) -> std::sync::Arc<dyn DynRule> {
                match self { $(Self::$rule(rule) => std::sync::Arc::new(rule)),* }
            }

            /// [`Rule::update`] of the rule.
            pub fn update<T: crate::scalar::Number>(&self, h: &[T; 12], g: T, p: T, s: [T; 3]) -> (T, [T; 3]) {
                match self { $(Self::$rule(rule) => rule.update(h, g, p, s)),* }
            }

            /// The fields that the rule has in its convention, by their names in the TOML form.
            pub fn fields(&mut self) -> Vec<Field<'_>> {
                match self { $(Self::$rule(rule) => fields::visible(rule)),* }
            }
        }

        $(impl From<$rule> for Optimizer {
            fn from(rule: $rule) -> Self { Self::$rule(rule) }
        }

        impl From<$rule> for std::sync::Arc<dyn DynRule> {
            fn from(rule: $rule) -> Self { std::sync::Arc::new(rule) }
        })*

        impl From<Optimizer> for std::sync::Arc<dyn DynRule> {
            fn from(optimizer: Optimizer) -> Self { optimizer.into_rule() }
        }
    };
}

rules!(
    sgd::Sgd,
    momentum::Momentum,
    nesterov::Nesterov,
    adagrad::Adagrad,
    rmsprop::RmsProp,
    adadelta::Adadelta,
    adam::Adam,
    amsgrad::AmsGrad,
    adamw::AdamW,
    adamax::Adamax,
    nadam::Nadam,
    radam::RAdam,
    lion::Lion,
    lamb::Lamb,
    adafactor::Adafactor,
    muon::Muon;
    Lbfgs, Newton,
);
