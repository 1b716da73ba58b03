(** Solutions of the exercises on the page "Reading the formal proofs". *)

From Coq Require Import Reals Lra Lia.
From Robust Require Import Common Training.
Open Scope R_scope.

(** A nearly optimal attack. *)
Lemma nearly_optimal :
  forall surrogate robust best eps tau : R,
  surrogate <= best + eps -> robust - tau <= surrogate -> robust <= best + eps + tau.
Proof.
  intros surrogate robust best eps tau H1 H2. lra.
Qed.

(** The average over no example. *)
Lemma no_example :
  forall (V X : Type) (loss : R -> R -> R) (f : V -> X -> R) (y : nat -> R) (x : nat -> X) (w : V),
  frozen_loss loss f 0 y x w = 0.
Proof.
  intros V X loss f y x w. unfold frozen_loss, mean, Rdiv. simpl. apply Rmult_0_l.
Qed.

(** Without the hypothesis on the points the lemma is false. *)
Lemma outside :
  exists (B : nat -> R -> Prop) (x : nat -> R) (robust : R),
    is_robust_loss (fun u _ => u) (fun w x => w * x) 1 (fun _ => 0) B 1 robust /\
    robust < frozen_loss (fun u _ => u) (fun w x => w * x) 1 (fun _ => 0) x 1.
Proof.
  exists (fun _ x => x = 0), (fun _ => 1), 0. split.
  - exists (fun _ => 0). split.
    + intros i _. split.
      * intros l (x & -> & ->). lra.
      * intros b Hb. apply Hb. exists 0. split; [reflexivity|lra].
    + unfold mean. simpl. lra.
  - unfold frozen_loss, mean. simpl. lra.
Qed.
