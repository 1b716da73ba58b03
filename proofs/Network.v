(** The two-layer network of the book: m units with rows w_r and fixed output weights a_r. *)

From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common.
Open Scope R_scope.

(** Only the rows, the weights [w], are trained. *)
Definition net {X : inner_space} (m : nat) (a : nat -> R) (sigma : R -> R)
  (w : rows X m) (x : X) : R :=
  / sqrt (INR m) * total m (fun r => a r * sigma << w r, x >>).

(** Its gradient in the weights, row by row. *)
Definition net_gradient {X : inner_space} (m : nat) (a : nat -> R) (sigma' : R -> R)
  (w : rows X m) (x : X) : rows X m :=
  fun r => (/ sqrt (INR m) * a r * sigma' << w r, x >> * x)%vec.

Definition signs (a : nat -> R) : Prop := forall r, a r = 1 \/ a r = -1.

Lemma signs_abs a r : signs a -> Rabs (a r) = 1.
Proof. intros H. destruct (H r) as [-> | ->]; unfold Rabs; destruct Rcase_abs; lra. Qed.

Lemma signs_sqr a r : signs a -> a r ^ 2 = 1.
Proof. intros H. destruct (H r) as [-> | ->]; ring. Qed.

Section Net.
Context {X : inner_space} {m : nat} {a : nat -> R}.
Variables (sigma sigma' : R -> R).
Implicit Types w v : rows X m.
Implicit Types x : X.

Lemma dot_rows w v : << w, v >> = total m (fun r => << w r, v r >>).
Proof. reflexivity. Qed.

Lemma dot_net_gradient w x v :
  << net_gradient m a sigma' w x, v >> =
  / sqrt (INR m) * total m (fun r => a r * sigma' << w r, x >> * << v r, x >>).
Proof.
  rewrite dot_rows, <- total_scal. apply total_ext. intros r _. unfold net_gradient.
  rewrite dot_vscal, (dot_sym _ x). ring.
Qed.

(** The formula is the gradient. *)
Lemma net_gradient_correct w x :
  (forall z, is_derive sigma z (sigma' z)) ->
  is_gradient (fun w => net m a sigma w x) w (net_gradient m a sigma' w x).
Proof.
  intros D v. rewrite dot_net_gradient. unfold net.
  apply (is_derive_scal (fun s => total m (fun r => a r * sigma << w r + s * v r, x >>))).
  apply (is_derive_total m (fun r s => a r * sigma << w r + s * v r, x >>)). intros r _.
  replace (a r * sigma' << w r, x >> * << v r, x >>)
    with (a r * (<< v r, x >> * sigma' << w r, x >>)) by ring.
  apply (is_derive_scal (fun s => sigma << w r + s * v r, x >>)).
  apply (is_derive_comp sigma (fun s => << w r + s * v r, x >>)).
  - rewrite gradient_start. apply D.
  - apply (is_derive_ext (fun s => << w r, x >> + s * << v r, x >>)).
    + intros s. expand. easy.
    + auto_derive; [easy|in_reals; ring].
Qed.

Hypothesis m_pos : (0 < m)%nat.

Lemma inv_sqrt_width : 0 < / sqrt (INR m).
Proof. apply Rinv_0_lt_compat, sqrt_lt_R0. now apply lt_0_INR. Qed.

Lemma inv_sqrt_width_sqr : (/ sqrt (INR m)) ^ 2 * INR m = 1.
Proof.
  assert (N : 0 < INR m) by now apply lt_0_INR.
  rewrite <- Rinv_pow by (apply Rgt_not_eq, sqrt_lt_R0; easy).
  rewrite pow2_sqrt by lra. field. lra.
Qed.

(** A row moves a unit by no more than it moves. *)
Lemma row_change_sqr (d x : X) : norm x <= 1 -> << d, x >> ^ 2 <= << d, d >>.
Proof.
  intros H. assert (C := cauchy_schwarz_sqr d x). assert (P := dot_pos X d).
  apply norm_le_sqr in H. rewrite pow1 in H. nra.
Qed.

End Net.
