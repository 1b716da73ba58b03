(** Adversarial training: losses at frozen points, the robust loss, and their gradients.

    Inputs are of any type [X], weights live in an inner product space [V].
    An attack is never mentioned: all that is used of one is that the point which it finds for
    example i in round t lies in B i, so it may be random, stale or hostile. *)

From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common.
Open Scope R_scope.

(** The mean loss of weights [w] at points [x]: the loss handed over in a round. *)
Definition frozen_loss {V X : Type} (loss : R -> R -> R) (f : V -> X -> R)
  (n : nat) (y : nat -> R) (x : nat -> X) (w : V) : R :=
  mean n (fun i => loss (f w (x i)) (y i)).

(** [M] is the mean over the examples of the supremum of the loss over B i:
    a maximum where there is one, so that the sets need not be closed. *)
Definition is_robust_loss {V X : Type} (loss : R -> R -> R) (f : V -> X -> R)
  (n : nat) (y : nat -> R) (B : nat -> X -> Prop) (w : V) (M : R) : Prop :=
  exists worst : nat -> R,
    (forall i, (i < n)%nat ->
      is_lub (fun l => exists x, B i x /\ l = loss (f w x) (y i)) (worst i)) /\
    M = mean n worst.

(** The loss in its first argument, the output. *)
Definition convex_loss (loss : R -> R -> R) : Prop := forall y, convex (fun u => loss u y).
Definition lipschitz_loss (L : R) (loss : R -> R -> R) : Prop :=
  forall y, lipschitz L (fun u => loss u y).
Definition is_slope (loss loss' : R -> R -> R) : Prop :=
  forall u y, is_derive (fun u => loss u y) u (loss' u y).

(** The hinge loss max(0, 1 - y f). *)
Definition hinge (u y : R) : R := Rmax 0 (1 - y * u).

Section Frozen.
Context {V : inner_space} {X : Type}.
Variables (loss loss' : R -> R -> R) (f : V -> X -> R) (n : nat) (y : nat -> R).
Hypothesis slope : is_slope loss loss'.
Variables (x : nat -> X) (w g : V) (gradf : nat -> V).
Hypothesis f_gradient : forall i, (i < n)%nat -> is_gradient (fun w => f w (x i)) w (gradf i).

(** Chain rule: the gradient of the mean loss is the mean of slope times gradient. *)
Lemma frozen_gradient : is_gradient (frozen_loss loss f n y x) w g ->
  forall v, << g, v >> = mean n (fun i => loss' (f w (x i)) (y i) * << gradf i, v >>).
Proof.
  intros Hg v.
  assert (H : is_derive (fun s => frozen_loss loss f n y x (w + s * v)%vec) 0
    (mean n (fun i => loss' (f w (x i)) (y i) * << gradf i, v >>))).
  { unfold frozen_loss, mean, Rdiv.
    replace (total n _ * / INR n) with
      (/ INR n * total n (fun i => loss' (f w (x i)) (y i) * << gradf i, v >>)) by ring.
    apply (is_derive_ext (fun s => / INR n * total n (fun i => loss (f (w + s * v)%vec (x i)) (y i)))).
    { intros t. in_reals. ring. }
    apply (is_derive_scal (fun s => total n (fun i => loss (f (w + s * v)%vec (x i)) (y i)))).
    apply (is_derive_total n (fun i s => loss (f (w + s * v)%vec (x i)) (y i))).
    intros i Hi.
    replace (_ * _) with (<< gradf i, v >> * loss' (f w (x i)) (y i)) by ring.
    apply (is_derive_comp (fun u => loss u (y i)) (fun s => f (w + s * v)%vec (x i))).
    - rewrite gradient_start. apply slope.
    - now apply f_gradient. }
  apply is_derive_unique in H. specialize (Hg v). apply is_derive_unique in Hg. congruence.
Qed.

Hypothesis n_pos : (0 < n)%nat.

(** An average of terms of norm at most L G has at most this norm. *)
Lemma frozen_gradient_norm L G : lipschitz_loss L loss ->
  is_gradient (frozen_loss loss f n y x) w g ->
  (forall i, (i < n)%nat -> norm (gradf i) <= G) -> norm g <= L * G.
Proof.
  intros HL Hg HG.
  assert (L0 : forall i, Rabs (loss' (f w (x i)) (y i)) <= L).
  { intros i. now apply (lipschitz_slope L (fun u => loss u (y i)) (f w (x i))). }
  assert (B : norm g * norm g <= L * G * norm g).
  { assert (E := norm_sqr g). simpl in E. rewrite Rmult_1_r in E. rewrite E.
    rewrite (frozen_gradient Hg), <- (mean_const n (L * G * norm g)) by easy.
    apply mean_le. intros i Hi. specialize (HG i Hi). specialize (L0 i).
    eapply Rle_trans; [apply Rle_abs|]. rewrite Rabs_mult.
    assert (C := cauchy_schwarz (gradf i) g).
    assert (P := norm_pos g). assert (Q := norm_pos (gradf i)).
    rewrite Rmult_assoc. apply Rmult_le_compat; try apply Rabs_pos; nra. }
  assert (P := norm_pos g).
  destruct (Rle_or_lt (norm g) (L * G)) as [|Hlt]; [easy|].
  destruct (Req_dec (norm g) 0) as [E|E].
  - rewrite E. specialize (L0 O). specialize (HG O ltac:(lia)).
    assert (Q := norm_pos (gradf 0%nat)). assert (A := Rabs_pos (loss' (f w (x O)) (y O))). nra.
  - apply Rmult_le_reg_r with (norm g); lra.
Qed.

(** Near-convexity, for the one pair [w], [w'] (chapter 05, prop-near-convexity). *)
Lemma nearly_convex L eps (w' : V) : convex_loss loss -> lipschitz_loss L loss ->
  is_gradient (frozen_loss loss f n y x) w g ->
  (forall i, (i < n)%nat -> Rabs (f w' (x i) - f w (x i) - << gradf i, w' - w >>) <= eps) ->
  frozen_loss loss f n y x w + << g, w' - w >> - L * eps <= frozen_loss loss f n y x w'.
Proof.
  intros HC HL Hg He. rewrite (frozen_gradient Hg). unfold frozen_loss.
  rewrite <- (mean_const n (L * eps)) by easy. rewrite <- mean_plus, <- mean_minus.
  apply mean_le. intros i Hi. specialize (He i Hi).
  assert (T := tangent (fun u => loss u (y i)) _ _ (HC (y i)) (slope (f w (x i)) (y i)) (f w' (x i))).
  assert (B := lipschitz_slope L (fun u => loss u (y i)) _ _ (HL (y i)) (slope (f w (x i)) (y i))).
  simpl in T. set (d := loss' (f w (x i)) (y i)) in *.
  set (e := f w' (x i) - f w (x i) - << gradf i, w' - w >>) in *.
  assert (Rabs (d * e) <= L * eps).
  { rewrite Rabs_mult. apply Rmult_le_compat; auto using Rabs_pos. }
  apply Rabs_le_between in H. unfold e in H. lra.
Qed.

End Frozen.
