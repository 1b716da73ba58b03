(** Chapter 03, movement under adversarial training. *)

From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Training Network Movement.
Open Scope R_scope.

Theorem prop_movement :
  forall (X : inner_space) (m n : nat) (a : nat -> R) (sigma sigma' : R -> R)
    (loss : R -> R -> R) (y : nat -> R) (C0 L alpha : R)
    (x : nat -> nat -> X) (w g : nat -> rows X m) (T : nat),
  (0 < m)%nat ->  (* ours: at least one unit *)
  (0 < n)%nat ->  (* ours: at least one example *)
  signs a ->  (* ours: part of the definition of the network *)
  (forall z, is_derive sigma z (sigma' z)) ->  (* book: \sigma' *)
  (forall z, Rabs (sigma' z) <= C0) ->  (* book: \lvert\sigma'\rvert\le C_0 *)
  (forall u y, ex_derive (fun u => loss u y) u) ->  (* ours: the gradient of the loss exists *)
  lipschitz_loss L loss ->  (* book: Lipschitz in the output with constant $L$ *)
  (forall t i, (i < n)%nat -> norm (x t i) <= 1) ->
  (* book: perturbed inputs have norm at most one *)
  0 <= alpha ->  (* book: steps of size $\alpha$ *)
  (forall t, is_gradient (frozen_loss loss (net m a sigma) n y (x t)) (w t) (g t)) ->
  (* book: against any attack *)
  (forall t, w (S t) = (w t - alpha * g t)%vec) ->  (* book: Train from any $W_0$ *)
  let Lam := alpha * INR T * L in  (* book: \Lambda=\alpha TL *)
  forall t, (t <= T)%nat ->  (* book: at every step $t\le T$ *)
  (forall r, (r < m)%nat -> norm (w t r - w O r) <= C0 * Lam / sqrt (INR m)) /\
  (* book: \lVert w_{r,t}-w_{r,0}\rVert\le\frac{C_0\Lambda}{\sqrt m} *)
  norm (w t - w O) <= C0 * Lam.  (* book: \lVert W_t-W_0\rVert_F\le C_0\Lambda *)
Proof.
  intros X m n a sigma sigma' loss y C0 L alpha x w g T Hm Hn Ha D H0 Lder LL Hx Halpha Hg Hw
    Lam t Ht.
  assert (E : Lambda L (fun _ => alpha) t <= Lam).
  { unfold Lambda, Lam. rewrite total_const. apply le_INR in Ht.
    assert (P := lipschitz_nonneg L _ (LL 0)).
    replace (L * (INR t * alpha)) with (alpha * L * INR t) by ring.
    replace (alpha * INR T * L) with (alpha * L * INR T) by ring.
    apply Rmult_le_compat_l; [now apply Rmult_le_pos|easy]. }
  assert (P0 := bounded_nonneg C0 sigma' H0). assert (Q := inv_sqrt_width Hm).
  split.
  - intros r Hr. eapply Rle_trans.
    + apply (row_movement m n a sigma sigma' loss y C0 L x w g (fun _ => alpha)); easy.
    + apply Rmult_le_compat_r; [lra|]. nra.
  - eapply Rle_trans.
    + apply (movement m n a sigma sigma' loss y C0 L x w g (fun _ => alpha)); easy.
    + nra.
Qed.
