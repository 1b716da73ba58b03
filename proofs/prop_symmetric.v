(** Chapter 03, symmetric initialisation: the deterministic half. *)

From Coq Require Import Reals Lra Lia.
From Robust Require Import Common Network Twins.
Open Scope R_scope.

Theorem prop_symmetric :
  forall (X : inner_space) (h : nat) (a : nat -> R) (sigma : R -> R) (w : rows X (2 * h)) (x : X),
  twins h a w ->  (* book: With twins *)
  net (2 * h) a sigma w x = 0.  (* book: $f(W_0,x)=0$ for every $x$ *)
Proof.
  intros X h a sigma w x H. unfold net.
  (* twins have equal rows and opposite signs, so their terms cancel *)
  rewrite total_halves, (total_ext h _ (fun _ => 0)), total_const; [ring|].
  intros r Hr. destruct (H r Hr) as [-> ->]. ring.
Qed.
