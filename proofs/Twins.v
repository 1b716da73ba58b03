(** Twins: the second half of the rows repeats the first, with opposite signs. *)

From Coq Require Import Reals Lra Lia.
From Robust Require Import Common.
Open Scope R_scope.

Definition twins {X : Type} (h : nat) (a : nat -> R) (w : nat -> X) : Prop :=
  forall r, (r < h)%nat -> a (h + r)%nat = - a r /\ w (h + r)%nat = w r.

Lemma total_app n m (u : nat -> R) :
  total (n + m) u = total n u + total m (fun r => u (n + r)%nat).
Proof.
  induction m as [|m IH]; [rewrite Nat.add_0_r; simpl; ring|].
  rewrite Nat.add_succ_r. cbn [total]. rewrite IH. ring.
Qed.

Lemma total_halves h (u : nat -> R) :
  total (2 * h) u = total h (fun r => u r + u (h + r)%nat).
Proof. replace (2 * h)%nat with (h + h)%nat by lia. now rewrite total_app, total_plus. Qed.
