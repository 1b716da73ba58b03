(** A two-layer network under adversarial training: how far single rows and twins move.
    Steps may differ from round to round; Lambda_t is L times the sum of the first t steps. *)

From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Training Network Twins.
Open Scope R_scope.

Lemma dot_self_le {X : inner_space} (g : X) c :
  0 <= c -> << g, g >> <= c * norm g -> norm g <= c.
Proof.
  intros Hc H. assert (E := norm_sqr g). assert (P := norm_pos g).
  destruct (Rle_or_lt (norm g) c) as [|Hlt]; [easy|]. nra.
Qed.

(** Rows that are smaller one by one are smaller together. *)
Lemma norm_rows_le {X : inner_space} m (u v : rows X m) c : 0 <= c ->
  (forall r, (r < m)%nat -> norm (u r) <= c * norm (v r)) -> norm u <= c * norm v.
Proof.
  intros Hc H. apply norm_le; [apply Rmult_le_pos; [easy|apply norm_pos]|].
  rewrite Rpow_mult_distr, norm_sqr, !dot_rows, <- total_scal. apply total_le. intros r Hr.
  rewrite <- !norm_sqr, <- Rpow_mult_distr. apply pow_incr. split; [apply norm_pos|now apply H].
Qed.

(** Cauchy and Schwarz for sums of numbers. *)
Lemma cauchy_schwarz_total n (p q : nat -> R) A B : 0 <= A -> 0 <= B ->
  total n (fun r => p r ^ 2) <= A ^ 2 -> total n (fun r => q r ^ 2) <= B ^ 2 ->
  Rabs (total n (fun r => p r * q r)) <= A * B.
Proof.
  intros HA HB Hp Hq. assert (C := @cauchy_schwarz (euclidean n) p q).
  assert (Np : norm (X := euclidean n) p <= A).
  { apply norm_le; [easy|]. eapply Rle_trans; [|exact Hp]. apply Req_le, total_ext.
    intros. simpl. ring. }
  assert (Nq : norm (X := euclidean n) q <= B).
  { apply norm_le; [easy|]. eapply Rle_trans; [|exact Hq]. apply Req_le, total_ext.
    intros. simpl. ring. }
  eapply Rle_trans; [exact C|].
  apply Rmult_le_compat; auto using (@norm_pos (euclidean n) p), (@norm_pos (euclidean n) q).
Qed.

Section Run.
Context {X : inner_space} (m n : nat) (a : nat -> R) (sigma sigma' : R -> R)
  (loss : R -> R -> R) (y : nat -> R) (C0 C1 L : R)
  (x : nat -> nat -> X) (w g : nat -> rows X m) (alpha : nat -> R).
Hypothesis m_pos : (0 < m)%nat.
Hypothesis n_pos : (0 < n)%nat.
Hypothesis a_signs : signs a.
Hypothesis D : forall z, is_derive sigma z (sigma' z).
Hypothesis H0 : forall z, Rabs (sigma' z) <= C0.
Hypothesis Lder : forall u y, ex_derive (fun u => loss u y) u.
Hypothesis LL : lipschitz_loss L loss.
Hypothesis Hx : forall t i, (i < n)%nat -> norm (x t i) <= 1.
Hypothesis Ha : forall t, 0 <= alpha t.
Hypothesis Hg : forall t, is_gradient (frozen_loss loss (net m a sigma) n y (x t)) (w t) (g t).
Hypothesis Hw : forall t, w (S t) = (w t - alpha t * g t)%vec.

Let slope : is_slope loss (fun u y => Derive (fun u => loss u y) u).
Proof. intros u b. apply Derive_correct, Lder. Qed.

Let s (t i : nat) : R := Derive (fun u => loss u (y i)) (net m a sigma (w t) (x t i)).

Lemma s_le t i : Rabs (s t i) <= L.
Proof. apply (lipschitz_slope L (fun u => loss u (y i)) (net m a sigma (w t) (x t i))); [apply LL|apply slope]. Qed.

Let PL : 0 <= L := lipschitz_nonneg L _ (LL 0).
Let P0 : 0 <= C0 := bounded_nonneg C0 sigma' H0.

(** Row r of the gradient of the loss at the attacked points. *)
Lemma row_gradient t r (u : X) : (r < m)%nat ->
  << g t r, u >> =
  / sqrt (INR m) * a r * mean n (fun i => s t i * sigma' << w t r, x t i >> * << x t i, u >>).
Proof.
  intros Hr. set (v := (fun q => if Nat.eqb q r then u else vzero) : rows X m).
  assert (Pick : forall b : nat -> X, << (b : rows X m), v >> = << b r, u >>).
  { intros b. rewrite dot_rows, (total_one m _ r Hr).
    - unfold v. now rewrite Nat.eqb_refl.
    - intros j _ Hj. unfold v. apply Nat.eqb_neq in Hj. rewrite Hj, dot_sym. apply dot_zero. }
  rewrite <- (Pick (g t)).
  rewrite (frozen_gradient loss _ (net m a sigma) n y slope (x t) (w t) (g t)
    (fun i => net_gradient m a sigma' (w t) (x t i))
    ltac:(intros; now apply net_gradient_correct) (Hg t) v).
  rewrite <- mean_scal. apply mean_ext. intros i _. fold (s t i). rewrite Pick.
  unfold net_gradient. rewrite dot_vscal. ring.
Qed.

Definition Lambda (t : nat) : R := L * total t alpha.

Lemma row_norm t r : (r < m)%nat -> norm (g t r) <= L * C0 / sqrt (INR m).
Proof.
  intros Hr. assert (Q := inv_sqrt_width m_pos). unfold Rdiv. set (q := / sqrt (INR m)) in *.
  apply dot_self_le; [apply Rmult_le_pos; nra|]. rewrite row_gradient by easy. fold q.
  eapply Rle_trans; [apply Rle_abs|]. rewrite !Rabs_mult, (signs_abs a r a_signs), (Rabs_pos_eq q) by lra.
  replace (L * C0 * q * norm (g t r)) with (q * 1 * (L * C0 * norm (g t r))) by ring.
  apply Rmult_le_compat_l; [lra|]. eapply Rle_trans; [apply mean_abs|].
  rewrite <- (mean_const n (L * C0 * norm (g t r))) by easy. apply mean_le. intros i Hi.
  rewrite !Rabs_mult. apply Rmult_le_compat; try apply Rabs_pos.
  - apply Rmult_le_pos; apply Rabs_pos.
  - apply Rmult_le_compat; auto using Rabs_pos, s_le.
  - eapply Rle_trans; [apply cauchy_schwarz|]. specialize (Hx t i Hi).
    assert (P := norm_pos (g t r)). nra.
Qed.

Lemma row_step t r : (w (S t) r - w O r)%vec = ((w t r - w O r) + - alpha t * g t r)%vec.
Proof.
  rewrite Hw. change ((w t - alpha t * g t)%vec r) with (w t r - alpha t * g t r)%vec.
  rewrite vscal_vscal, <- !vadd_assoc. f_equal. rewrite vadd_comm. f_equal. f_equal. ring.
Qed.

Lemma row_movement t r : (r < m)%nat -> norm (w t r - w O r) <= C0 * Lambda t / sqrt (INR m).
Proof.
  intros Hr. assert (N := row_norm). unfold Lambda in *. induction t as [|t IH].
  - simpl. rewrite vadd_opp, norm_zero. unfold Rdiv. rewrite !Rmult_0_r, Rmult_0_l. lra.
  - rewrite row_step. eapply Rle_trans; [apply norm_triangle|].
    rewrite norm_vscal, Rabs_Ropp, Rabs_pos_eq by apply Ha. cbn [total].
    specialize (N t r Hr). specialize (Ha t).
    apply (Rmult_le_compat_l (alpha t)) in N; [|easy]. unfold Rdiv in *. nra.
Qed.

Lemma movement t : norm (w t - w O) <= C0 * Lambda t.
Proof.
  assert (PT : 0 <= Lambda t) by (apply Rmult_le_pos; [easy|now apply total_nonneg]).
  assert (Q := inv_sqrt_width m_pos). assert (QQ := inv_sqrt_width_sqr m_pos).
  apply norm_le; [nra|]. rewrite dot_rows.
  apply Rle_trans with (total m (fun _ => (C0 * Lambda t / sqrt (INR m)) ^ 2)).
  - apply total_le. intros r Hr. apply norm_le_sqr. now apply row_movement.
  - rewrite total_const. unfold Rdiv. rewrite Rpow_mult_distr. nra.
Qed.

(** * Twins *)

Hypothesis H1 : lipschitz C1 sigma'.
Variable h : nat.
Hypothesis m_even : m = (2 * h)%nat.
Hypothesis start : twins h a (w O).

Let P1 : 0 <= C1 := lipschitz_nonneg C1 sigma' H1.

(** Movement of unit r, and of its twin. *)
Definition move (t r : nat) : X := (w t r - w O r)%vec.
Definition twin (t r : nat) : X := (w t (h + r)%nat - w O (h + r)%nat)%vec.

Lemma rows_apart t r (u : X) : (r < h)%nat ->
  << w t r, u >> - << w t (h + r)%nat, u >> = << move t r - twin t r, u >>.
Proof.
  intros Hr. unfold move, twin. destruct (start r Hr) as [_ ->]. expand. ring.
Qed.

(** In one step the sum of their movements changes by little. *)
Lemma sum_gradient t r : (r < h)%nat ->
  norm (g t r + g t (h + r)%nat) <= L * C1 / sqrt (INR m) * norm (move t r - twin t r).
Proof.
  intros Hr. assert (Q := inv_sqrt_width m_pos). unfold Rdiv. set (q := / sqrt (INR m)) in *.
  set (G := (g t r + g t (h + r)%nat)%vec).
  set (d := (move t r - twin t r)%vec). assert (Nd := norm_pos d). assert (NG := norm_pos G).
  apply dot_self_le; [apply Rmult_le_pos; [apply Rmult_le_pos; nra|easy]|].
  assert (E : << G, G >> = q * a r * mean n (fun i => s t i *
    (sigma' << w t r, x t i >> - sigma' << w t (h + r)%nat, x t i >>) * << x t i, G >>)).
  { unfold G at 1. rewrite dot_vadd, !row_gradient by lia. fold q.
    destruct (start r Hr) as [-> _].
    rewrite (mean_ext n (fun i => s t i * (_ - _) * _)
      (fun i => s t i * sigma' << w t r, x t i >> * << x t i, G >>
      - s t i * sigma' << w t (h + r)%nat, x t i >> * << x t i, G >>)) by (intros; ring).
    rewrite mean_minus. ring. }
  rewrite E. eapply Rle_trans; [apply Rle_abs|].
  rewrite !Rabs_mult, (signs_abs a r a_signs), (Rabs_pos_eq q) by lra.
  replace (L * C1 * q * norm d * norm G) with (q * 1 * (L * (C1 * norm d) * norm G)) by ring.
  apply Rmult_le_compat_l; [lra|]. eapply Rle_trans; [apply mean_abs|].
  rewrite <- (mean_const n (L * (C1 * norm d) * norm G)) by easy. apply mean_le. intros i Hi.
  specialize (Hx t i Hi). rewrite !Rabs_mult. apply Rmult_le_compat; try apply Rabs_pos.
  - apply Rmult_le_pos; apply Rabs_pos.
  - apply Rmult_le_compat; auto using Rabs_pos, s_le. rewrite <- Rabs_Ropp, Ropp_minus_distr.
    eapply Rle_trans; [apply H1|]. apply Rmult_le_compat_l; [easy|].
    rewrite <- Rabs_Ropp, Ropp_minus_distr, rows_apart by easy. fold d.
    eapply Rle_trans; [apply cauchy_schwarz|]. nra.
  - eapply Rle_trans; [apply cauchy_schwarz|]. nra.
Qed.

Lemma sum_step t r : (move (S t) r + twin (S t) r)%vec =
  ((move t r + twin t r) + - alpha t * (g t r + g t (h + r)%nat))%vec.
Proof.
  unfold move, twin. rewrite !row_step, vscal_vadd.
  set (A := (w t r - w 0%nat r)%vec). set (B := (w t (h + r)%nat - w 0%nat (h + r)%nat)%vec).
  rewrite <- !vadd_assoc. f_equal. rewrite vadd_comm, <- !vadd_assoc. f_equal. apply vadd_comm.
Qed.

End Run.
