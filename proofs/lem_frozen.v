(** Chapter 06, the frozen-attack inequality. *)

From Coq Require Import Reals Lra.
From Robust Require Import Common Training.
Open Scope R_scope.

(** The points [x] may have been found by any attack, for any other weights. *)
Theorem lem_frozen :
  forall (V X : Type) (loss : R -> R -> R) (f : V -> X -> R) (n : nat) (y : nat -> R)
    (B : nat -> X -> Prop) (x : nat -> X) (w : V) (robust : R),
  (forall i, (i < n)%nat -> B i (x i)) ->  (* book: every attack *)
  is_robust_loss loss f n y B w robust ->  (* book: For all weights $W$ *)
  frozen_loss loss f n y x w <= robust.  (* book: \ell_t(W)\le L_*(W) *)
Proof.
  intros V X loss f n y B x w robust Hx [worst [Hworst ->]].
  (* compare the two averages example by example *)
  unfold frozen_loss. apply mean_le. intros i Hi.
  (* the worst loss is an upper bound of the losses on B i ... *)
  destruct (Hworst i Hi) as [Hupper _].
  apply Hupper.
  (* ... and x i is one point of B i, whoever chose it *)
  exists (x i). split; [apply Hx, Hi|reflexivity].
Qed.
