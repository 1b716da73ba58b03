(** Chapter 04, symmetric smooth networks: the kernel moves like 1/m. *)

From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Training Network Twins Movement.
Open Scope R_scope.

(** The tangent kernel at weights w. *)
Definition tangent_kernel {X : inner_space} (m : nat) (a : nat -> R) (sigma' : R -> R)
  (w : rows X m) (x z : X) : R := << net_gradient m a sigma' w x, net_gradient m a sigma' w z >>.

(** One unit's share, and its change to first order. *)
Definition share {X : inner_space} (sigma' : R -> R) (v x z : X) : R :=
  << x, z >> * (sigma' << v, x >> * sigma' << v, z >>).
Definition share' {X : inner_space} (sigma' sigma'' : R -> R) (v d x z : X) : R :=
  << x, z >> * (sigma'' << v, x >> * << d, x >> * sigma' << v, z >>
                + sigma' << v, x >> * (sigma'' << v, z >> * << d, z >>)).

Lemma kernel_shares {X : inner_space} m a sigma' (w : rows X m) x z :
  (0 < m)%nat -> signs a ->
  tangent_kernel m a sigma' w x z = / INR m * total m (fun r => share sigma' (w r) x z).
Proof.
  intros Hm Ha. unfold tangent_kernel. rewrite dot_rows, <- total_scal. apply total_ext.
  intros r _. unfold net_gradient, share. rewrite dot_vscal, dot_vscal_r.
  assert (S := signs_sqr a r Ha). assert (N : 0 < INR m) by now apply lt_0_INR.
  assert (QQ := inv_sqrt_width_sqr Hm). set (q := / sqrt (INR m)) in *.
  assert (Eq : q ^ 2 = / INR m).
  { apply Rmult_eq_reg_r with (INR m); [|lra]. rewrite QQ. field. lra. }
  rewrite <- Eq. replace (<< x, z >>) with (a r ^ 2 * << x, z >>) at 2 by (rewrite S; ring). ring.
Qed.

Lemma unit_dot {X : inner_space} (d x : X) : norm x <= 1 -> Rabs << d, x >> <= norm d.
Proof.
  intros H. eapply Rle_trans; [apply cauchy_schwarz|]. assert (P := norm_pos d). nra.
Qed.

Section Share.
Context {X : inner_space} (sigma' sigma'' : R -> R) (C0 C1 C2 : R) (x z : X).
Hypothesis D : forall u, is_derive sigma' u (sigma'' u).
Hypothesis H0 : forall u, Rabs (sigma' u) <= C0.
Hypothesis H1 : forall u, Rabs (sigma'' u) <= C1.
Hypothesis H2 : lipschitz C2 sigma''.
Hypothesis Hx : norm x <= 1.
Hypothesis Hz : norm z <= 1.

Let P0 := bounded_nonneg C0 sigma' H0.
Let P1 := bounded_nonneg C1 sigma'' H1.
Let P2 := lipschitz_nonneg C2 sigma'' H2.

Lemma xz_le (t : R) : Rabs (<< x, z >> * t) <= Rabs t.
Proof.
  rewrite Rabs_mult. assert (B : Rabs << x, z >> <= 1).
  { eapply Rle_trans; [apply (unit_dot x z Hz)|exact Hx]. }
  assert (P := Rabs_pos t). nra.
Qed.

Lemma product_le s t S T : Rabs s <= S -> Rabs t <= T -> Rabs (s * t) <= S * T.
Proof. intros. rewrite Rabs_mult. apply Rmult_le_compat; auto using Rabs_pos. Qed.

(** First order, in a direction d. *)
Lemma share'_le (v d : X) : Rabs (share' sigma' sigma'' v d x z) <= 2 * C0 * C1 * norm d.
Proof.
  unfold share'. eapply Rle_trans; [apply xz_le|]. eapply Rle_trans; [apply Rabs_triang|].
  assert (Z := norm_pos d).
  assert (A := product_le _ _ _ _ (product_le _ _ _ _ (H1 << v, x >>) (unit_dot d x Hx)) (H0 << v, z >>)).
  assert (B := product_le _ _ _ _ (H0 << v, x >>) (product_le _ _ _ _ (H1 << v, z >>) (unit_dot d z Hz))).
  lra.
Qed.

(** The rest of Taylor's formula. *)
Lemma share_taylor (v d : X) :
  Rabs (share sigma' (v + d)%vec x z - share sigma' v x z - share' sigma' sigma'' v d x z)
    <= (C0 * C2 + C1 ^ 2) * norm d ^ 2.
Proof.
  unfold share, share'. rewrite !dot_vadd.
  set (vx := << v, x >>). set (vz := << v, z >>). set (ux := << d, x >>). set (uz := << d, z >>).
  replace (_ - _ - _) with (<< x, z >> *
    ((sigma' (vx + ux) - sigma' vx - sigma'' vx * ux) * sigma' vz
     + sigma' vx * (sigma' (vz + uz) - sigma' vz - sigma'' vz * uz)
     + (sigma' (vx + ux) - sigma' vx) * (sigma' (vz + uz) - sigma' vz))) by ring.
  eapply Rle_trans; [apply xz_le|].
  assert (Bx := unit_dot d x Hx). assert (Bz := unit_dot d z Hz). fold ux in Bx. fold uz in Bz.
  assert (Z := norm_pos d).
  assert (L1 : lipschitz C1 sigma') by now apply bounded_slope_lipschitz with sigma''.
  assert (T : forall p u, Rabs u <= norm d ->
    Rabs (sigma' (p + u) - sigma' p - sigma'' p * u) <= C2 / 2 * norm d ^ 2).
  { intros p u Hu. assert (T := taylor_1 sigma' sigma'' C2 D H2 p (p + u)).
    replace (p + u - p) with u in T by ring. eapply Rle_trans; [exact T|].
    apply Rmult_le_compat_l; [lra|]. rewrite <- pow2_abs. apply pow_incr.
    split; [apply Rabs_pos|easy]. }
  assert (U : forall p u, Rabs u <= norm d -> Rabs (sigma' (p + u) - sigma' p) <= C1 * norm d).
  { intros p u Hu. assert (U := L1 p (p + u)). replace (p + u - p) with u in U by ring.
    eapply Rle_trans; [exact U|]. now apply Rmult_le_compat_l. }
  eapply Rle_trans; [apply Rabs_triang|]. eapply Rle_trans; [apply Rplus_le_compat_r, Rabs_triang|].
  assert (A1 := product_le _ _ _ _ (T vx ux Bx) (H0 vz)).
  assert (A2 := product_le _ _ _ _ (H0 vx) (T vz uz Bz)).
  assert (A3 := product_le _ _ _ _ (U vx ux Bx) (U vz uz Bz)).
  replace ((C0 * C2 + C1 ^ 2) * norm d ^ 2) with
    (C2 / 2 * norm d ^ 2 * C0 + C0 * (C2 / 2 * norm d ^ 2) + C1 * norm d * (C1 * norm d)) by field.
  lra.
Qed.

End Share.

Theorem thm_drift_symmetric :
  forall (X : inner_space) (h n : nat) (a : nat -> R) (sigma sigma' sigma'' sigma''' : R -> R)
    (loss : R -> R -> R) (y : nat -> R) (C0 C1 C2 L : R),
  let m := (2 * h)%nat in
  forall (x' : nat -> nat -> X) (w g : nat -> rows X m) (alpha : nat -> R) (T : nat),
  (0 < h)%nat ->  (* ours: at least one pair of twins *)
  (0 < n)%nat ->  (* ours: at least one example *)
  signs a ->  (* ours: part of the definition of the network *)
  twins h a (w O) ->  (* book: start symmetric *)
  (forall z, is_derive sigma z (sigma' z)) ->  (* book: \sigma' *)
  (forall z, is_derive sigma' z (sigma'' z)) ->  (* book: \sigma'' *)
  (forall z, is_derive sigma'' z (sigma''' z)) ->  (* book: \sigma''' *)
  (forall z, Rabs (sigma' z) <= C0) ->  (* book: \lvert\sigma'\rvert\le C_0 *)
  (forall z, Rabs (sigma'' z) <= C1) ->  (* book: \lvert\sigma''\rvert\le C_1 *)
  (forall z, Rabs (sigma''' z) <= C2) ->  (* book: \lvert\sigma'''\rvert\le C_2 *)
  (forall u y, ex_derive (fun u => loss u y) u) ->  (* ours: the gradient of the loss exists *)
  lipschitz_loss L loss ->  (* book: Lipschitz with constant $L$ *)
  (forall t i, (i < n)%nat -> norm (x' t i) <= 1) ->
  (* book: any attack whose points have norm at most one *)
  (forall t, 0 <= alpha t) ->  (* book: step sizes *)
  (forall t, is_gradient (frozen_loss loss (net m a sigma) n y (x' t)) (w t) (g t)) ->
  (* book: Train by adversarial training *)
  (forall t, w (S t) = (w t - alpha t * g t)%vec) ->  (* book: Train by adversarial training *)
  let Lam := L * total T alpha in  (* book: $L$ times the sum of the step sizes *)
  forall x z : X,
  norm x <= 1 ->  (* book: all $x,z$ of norm at most one *)
  norm z <= 1 ->  (* book: all $x,z$ of norm at most one *)
  Rabs (tangent_kernel m a sigma' (w T) x z - tangent_kernel m a sigma' (w O) x z)
    <= Lam ^ 2 * C0 ^ 2 * (2 * C1 ^ 2 + C0 * C2) / INR m.
  (* book: \frac{\Lambda^2C_0^2\,\bigl(2C_1^2+C_0C_2\bigr)}{m} *)
Proof.
  intros X h n a sigma sigma' sigma'' sigma''' loss y C0 C1 C2 L m x' w g alpha T
    Hh Hn Ha Hstart D1 D2 D3 H0 H1 H2 Lder LL Hx' Halpha Hg Hw Lam x z Hx Hz.
  assert (Hm : (0 < m)%nat) by (unfold m; lia). assert (Q := inv_sqrt_width Hm).
  assert (QQ := inv_sqrt_width_sqr Hm). assert (N : 0 < INR m) by now apply lt_0_INR.
  assert (L1 : lipschitz C1 sigma') by now apply bounded_slope_lipschitz with sigma''.
  assert (L2 : lipschitz C2 sigma'') by now apply bounded_slope_lipschitz with sigma'''.
  assert (PL := lipschitz_nonneg L _ (LL 0)).
  assert (P0 := bounded_nonneg C0 sigma' H0). assert (P1 := bounded_nonneg C1 sigma'' H1).
  assert (P2 := lipschitz_nonneg C2 sigma'' L2).
  set (q := / sqrt (INR m)) in *.
  set (dl := move m w). set (tw := twin m w h).
  assert (PLam : forall t, 0 <= Lambda L alpha t).
  { intros t. apply Rmult_le_pos; [easy|now apply total_nonneg]. }
  (* no row moves by more than C0 Lambda_t / sqrt m *)
  assert (small : forall t r, (r < m)%nat -> norm (w t r - w O r) <= C0 * Lambda L alpha t * q).
  { intros t r Hr. apply (row_movement m n a sigma sigma' loss y C0 L x' w g alpha); easy. }
  assert (sm1 : forall t r, (r < h)%nat -> norm (dl t r) <= C0 * Lambda L alpha t * q).
  { intros t r Hr. apply small. unfold m. lia. }
  assert (sm2 : forall t r, (r < h)%nat -> norm (tw t r) <= C0 * Lambda L alpha t * q).
  { intros t r Hr. apply small. unfold m. lia. }
  (* twins move in opposite directions, up to C0 C1 Lambda^2 / m *)
  assert (sums : forall t r, (r < h)%nat ->
    norm (dl t r + tw t r) <= C0 * C1 * Lambda L alpha t ^ 2 * q ^ 2).
  { intros t r Hr. induction t as [|t IH].
    - assert (E : norm (dl O r + tw O r) <= 0).
      { apply norm_le; [lra|]. unfold dl, tw, move, twin. rewrite !vadd_opp. expand.
        rewrite dot_zero. lra. }
      unfold Lambda. simpl. lra.
    - unfold dl, tw. rewrite (sum_step m w g alpha Hw h t r). fold dl tw.
      eapply Rle_trans; [apply norm_triangle|].
      rewrite norm_vscal, Rabs_Ropp, Rabs_pos_eq by easy.
      assert (NG : norm (g t r + g t (h + r)%nat) <= L * C1 * q * norm (dl t r - tw t r)).
      { apply (sum_gradient m n a sigma sigma' loss y C1 L x' w g); easy. }
      assert (ND : norm (dl t r - tw t r) <= 2 * (C0 * Lambda L alpha t * q)).
      { eapply Rle_trans; [apply norm_triangle|]. rewrite norm_vscal, Rabs_left by lra.
        assert (A := sm1 t r Hr). assert (B := sm2 t r Hr). lra. }
      assert (NG2 : norm (g t r + g t (h + r)%nat) <= L * C1 * q * (2 * (C0 * Lambda L alpha t * q))).
      { eapply Rle_trans; [exact NG|]. apply Rmult_le_compat_l; [|easy]. apply Rmult_le_pos; nra. }
      apply (Rmult_le_compat_l (alpha t)) in NG2; [|easy].
      assert (EL : Lambda L alpha (S t) = Lambda L alpha t + L * alpha t)
        by (unfold Lambda; simpl; ring).
      rewrite EL. assert (Z : 0 <= C0 * C1 * (L * alpha t) ^ 2 * q ^ 2).
      { apply Rmult_le_pos; [|apply pow2_ge_0]. apply Rmult_le_pos; [nra|apply pow2_ge_0]. }
      nra. }
  change (Lambda L alpha T) with Lam in *.
  (* the kernel is the mean of the shares of the units; pair up twins *)
  rewrite !kernel_shares, <- Rmult_minus_distr_l, <- total_minus by easy.
  rewrite Rabs_mult, (Rabs_pos_eq (/ INR m)) by (apply Rlt_le, Rinv_0_lt_compat; easy).
  unfold m at 2. rewrite total_halves.
  assert (Eq : q ^ 2 = / INR m).
  { apply Rmult_eq_reg_r with (INR m); [|lra]. rewrite QQ. field. lra. }
  assert (pair : forall r, (r < h)%nat ->
    Rabs (share sigma' (w T r) x z - share sigma' (w O r) x z
      + (share sigma' (w T (h + r)%nat) x z - share sigma' (w O (h + r)%nat) x z))
    <= 2 * Lam ^ 2 * C0 ^ 2 * q ^ 2 * (C1 ^ 2 + C0 * C2 + C1 ^ 2)).
  { intros r Hr. destruct (Hstart r Hr) as [_ Ew].
    assert (back : forall p b : X, p = (b + (p - b))%vec).
    { intros p b. rewrite (vadd_comm _ p), vadd_assoc, vadd_opp, vadd_comm. now rewrite vadd_zero. }
    assert (E1 : w T r = (w O r + dl T r)%vec) by apply back.
    assert (E2 : w T (h + r)%nat = (w O r + tw T r)%vec).
    { unfold tw, twin. rewrite Ew. apply back. }
    rewrite E1, E2, Ew. set (v := w O r).
    assert (T1 := share_taylor sigma' sigma'' C0 C1 C2 x z D2 H0 H1 L2 Hx Hz v (dl T r)).
    assert (T2 := share_taylor sigma' sigma'' C0 C1 C2 x z D2 H0 H1 L2 Hx Hz v (tw T r)).
    assert (F := share'_le sigma' sigma'' C0 C1 x z H0 H1 Hx Hz v (dl T r + tw T r)%vec).
    assert (EF : share' sigma' sigma'' v (dl T r + tw T r)%vec x z =
      share' sigma' sigma'' v (dl T r) x z + share' sigma' sigma'' v (tw T r) x z).
    { unfold share'. rewrite !dot_vadd. ring. }
    rewrite EF in F. assert (S := sums T r Hr). fold Lam in S.
    change (Lambda L alpha T) with Lam in S.
    assert (F2 : 2 * C0 * C1 * norm (dl T r + tw T r) <= 2 * C0 * C1 * (C0 * C1 * Lam ^ 2 * q ^ 2))
      by (apply Rmult_le_compat_l; [nra|easy]).
    assert (sq : forall d : X, norm d <= C0 * Lam * q ->
      (C0 * C2 + C1 ^ 2) * norm d ^ 2 <= (C0 * C2 + C1 ^ 2) * (C0 * Lam * q) ^ 2).
    { intros d Hd. apply Rmult_le_compat_l; [nra|]. apply pow_incr. split; [apply norm_pos|easy]. }
    assert (S1 := sq _ (sm1 T r Hr)). assert (S2 := sq _ (sm2 T r Hr)).
    apply Rabs_le_between in T1, T2, F. apply Rabs_le.
    replace (2 * Lam ^ 2 * C0 ^ 2 * q ^ 2 * (C1 ^ 2 + C0 * C2 + C1 ^ 2)) with
      (2 * C0 * C1 * (C0 * C1 * Lam ^ 2 * q ^ 2) + 2 * ((C0 * C2 + C1 ^ 2) * (C0 * Lam * q) ^ 2)) by ring.
    lra. }
  (* add up over the m / 2 pairs and divide by m *)
  eapply Rle_trans.
  { apply Rmult_le_compat_l; [apply Rlt_le, Rinv_0_lt_compat; easy|].
    eapply Rle_trans; [apply total_abs|]. apply total_le, pair. }
  rewrite total_const, Eq. apply Req_le.
  assert (Eh : INR m = 2 * INR h) by (unfold m; rewrite mult_INR; simpl; ring).
  rewrite Eh. assert (0 < INR h) by now apply lt_0_INR. field. lra.
Qed.
